//! `InRelease`: which signatures are good, and what a good one may say.

use xbuild_fetch::FetchError;
use xbuild_fetch::debian::{DebianError, Keyring, Release};

use crate::support::{NOW, fixture};

fn keyring() -> Keyring {
    Keyring::read([fixture("signed/keyring.gpg").as_path()]).unwrap()
}

fn verify(name: &str) -> Result<String, String> {
    keyring().verify(&fs_err::read(fixture(name)).unwrap(), NOW)
}

#[test]
fn a_good_signature_gives_the_signed_text() {
    for name in ["archive/dists/trixie/InRelease", "signed/primary", "signed/two"] {
        let text = verify(name).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let release = Release::parse(&text).unwrap();
        assert_eq!(release.names, ["stable", "trixie"], "{name}");
        assert_eq!(release.valid_until, Some(1_795_831_846), "{name}");
        assert!(release.by_hash);
        assert_eq!(release.files["main/binary-amd64/Packages.xz"].1, 12072);
    }
}

#[test]
fn an_armoured_keyring_is_read_too() {
    let keyring = Keyring::read([fixture("signed/keyring.asc").as_path()]).unwrap();
    let message = |name: &str| fs_err::read(fixture(name)).unwrap();
    assert!(keyring.verify(&message("archive/dists/trixie/InRelease"), NOW).is_ok());
    assert!(keyring.verify(&message("signed/primary"), NOW).is_err());
}

#[test]
fn what_is_not_well_signed_is_refused_for_its_reason() {
    for (name, reason) in [
        ("signed/stranger", "is not in the keyring"),
        ("signed/expired", "has expired"),
        ("signed/revoked", "has been revoked"),
        ("signed/short", "made a signature that has expired"),
        ("signed/weak", "weak hash"),
        ("signed/keyring.asc", "not signed"),
        ("oracle.txt", "not signed"),
    ] {
        let problem = verify(name).expect_err(name);
        assert!(problem.contains(reason), "{name}: {problem}");
    }
    let short = fs_err::read(fixture("signed/short")).unwrap();
    assert!(keyring().verify(&short, NOW - 86_400).is_ok(), "a signature is good until it expires");
}

#[test]
fn any_changed_byte_of_the_text_is_noticed() {
    let message = fs_err::read_to_string(fixture("archive/dists/trixie/InRelease")).unwrap();
    let changed = message.replace("main/binary-amd64/Packages.xz", "main/binary-amd64/Packages.xy");
    let problem = keyring().verify(changed.as_bytes(), NOW).unwrap_err();
    assert!(problem.contains("does not fit the text"), "{problem}");
    let (before, after) = message.split_once("Origin:").unwrap();
    for added in [
        format!("{before}Extra: 1\nOrigin:{after}"),
        format!("Extra: 1\n{message}"),
        format!("{message}\nExtra: 1\n"),
    ] {
        let verified = keyring().verify(added.as_bytes(), NOW);
        assert!(verified.is_err() || !verified.as_ref().unwrap().contains("Extra"), "{verified:?}");
    }
    assert!(keyring().verify(&message.as_bytes()[..message.len() / 2], NOW).is_err());
}

#[test]
fn a_release_of_another_suite_or_an_old_one_is_refused() {
    let release = Release::parse(&verify("signed/primary").unwrap()).unwrap();
    assert_eq!(release.check("trixie", Some(NOW)), Ok(()));
    assert_eq!(release.check("stable", Some(NOW)), Ok(()));
    assert!(release.check("bookworm", Some(NOW)).unwrap_err().contains("trixie"));
    let later = NOW + 30 * 86_400;
    assert!(release.check("trixie", Some(later)).unwrap_err().contains("has expired"));
    assert_eq!(release.check("trixie", None), Ok(()), "a snapshot is old on purpose");
}

#[test]
fn a_release_that_makes_no_sense_is_refused() {
    for (text, reason) in [
        ("Suite: a\n", "no SHA-256"),
        ("Suite: a\n\nSuite: b\n", "not one stanza"),
        ("Suite: a\nSHA256:\n zz 1 x\n", "can't be read"),
        ("Suite: a\nValid-Until: soon\nSHA256:\n", "`Valid-Until: soon` is no date"),
        ("Suite: a\nValid-Until: Sat, 12 Foo 2026 07:55:41 UTC\nSHA256:\n", "is no date"),
    ] {
        let problem = Release::parse(text).unwrap_err();
        assert!(problem.contains(reason), "{text:?}: {problem}");
    }
}

#[test]
fn without_keys_the_error_names_the_remedy() {
    let error = Keyring::read([fixture("nothing.gpg").as_path()]).unwrap_err();
    assert!(matches!(&error, FetchError::Debian(DebianError::Keyring { .. })), "{error:?}");
    assert!(error.to_string().contains("nothing.gpg"), "{error}");
    assert!(error.help().unwrap().contains("XBUILD_DEBIAN_KEYRING"));
    let error = Keyring::read([fixture("oracle.txt").as_path()]).unwrap_err().to_string();
    assert!(error.contains("oracle.txt"), "{error}");
}
