//! `InRelease`: the signed list of a suite's indexes.
//!
//! The form is a cleartext-signed OpenPGP message (RFC 9580, section 7) around one control stanza, described in
//! Debian's repository format. One good signature by a key of the keyring is enough, as for apt; the signing key
//! must be meant for signing, bound to its certificate, neither revoked nor expired.

use std::collections::BTreeMap;
use std::path::Path;

use pgp::composed::{CleartextSignedMessage, Deserializable as _, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::Signature;
use pgp::types::{KeyDetails as _, VerifyingKey};
use xbuild_base::Sha256;

use super::control::parse_stanzas;
use super::problem::DebianError;
use crate::error::FetchError;

/// Certificates whose signatures are trusted.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    certificates: Vec<SignedPublicKey>,
}

impl Keyring {
    /// Reads keyring files, binary or ASCII-armoured.
    ///
    /// # Errors
    /// [`DebianError::Keyring`] when there is none, or one can't be read.
    pub fn read<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<Self, FetchError> {
        let mut keyring = Self::default();
        let mut problem = "apt's configuration names none, and the usual one is not installed".to_owned();
        for path in paths {
            match fs_err::read(path) {
                Ok(bytes) => keyring.add(&bytes).map_err(|error| DebianError::Keyring {
                    problem: format!("{} can't be read: {error}", path.display()),
                })?,
                Err(error) => problem = error.to_string(),
            }
        }
        if keyring.certificates.is_empty() {
            return Err(DebianError::Keyring { problem }.into());
        }
        Ok(keyring)
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), pgp::errors::Error> {
        if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            for certificate in SignedPublicKey::from_bytes_many(bytes)? {
                self.certificates.push(certificate?);
            }
        } else {
            for certificate in SignedPublicKey::from_armor_many(bytes)?.0 {
                self.certificates.push(certificate?);
            }
        }
        Ok(())
    }

    /// The text of a cleartext-signed message, when a key of this ring has signed it.
    ///
    /// `now` is in seconds since 1970: keys and signatures must not have expired then.
    ///
    /// # Errors
    /// In words, why no signature is good.
    pub fn verify(&self, message: &[u8], now: u64) -> Result<String, String> {
        let (message, _) = CleartextSignedMessage::from_armor(message)
            .map_err(|error| format!("it is not signed: {error}"))?;
        let text = message.signed_text();
        let mut problems = Vec::new();
        for signature in message.signatures() {
            match self.check(signature, text.as_bytes(), now) {
                Ok(()) => return Ok(text.replace("\r\n", "\n")),
                Err(problem) => problems.push(problem),
            }
        }
        problems.dedup();
        Err(if problems.is_empty() { "it has no signature".to_owned() } else { problems.join("; ") })
    }

    fn check(&self, signature: &Signature, text: &[u8], now: u64) -> Result<(), String> {
        let issuer = signature.issuer_fingerprint().first().map_or_else(
            || signature.issuer_key_id().first().map_or_else(|| "unknown".to_owned(), |id| id.to_string()),
            |fingerprint| format!("{fingerprint:X}"),
        );
        if !matches!(
            signature.hash_alg(),
            Some(
                HashAlgorithm::Sha224
                    | HashAlgorithm::Sha256
                    | HashAlgorithm::Sha384
                    | HashAlgorithm::Sha512
                    | HashAlgorithm::Sha3_256
                    | HashAlgorithm::Sha3_512
            )
        ) {
            return Err(format!("the signature by key {issuer} uses a weak hash function"));
        }
        for certificate in &self.certificates {
            if is_issuer(signature, certificate) {
                check_with(signature, certificate, text)
                    .map_err(|()| format!("the signature by key {issuer} does not fit the text"))?;
                return check_certificate(certificate, now)
                    .and_then(|own| own.key_flags().sign().then_some(()).ok_or("is not meant for signing"))
                    .and_then(|()| check_age(signature, now))
                    .map_err(|problem| format!("the signing key {issuer} {problem}"));
            }
            for subkey in &certificate.public_subkeys {
                if !is_issuer(signature, &subkey.key) {
                    continue;
                }
                check_with(signature, &subkey.key, text)
                    .map_err(|()| format!("the signature by key {issuer} does not fit the text"))?;
                let explain = |problem| format!("the signing key {issuer} {problem}");
                check_certificate(certificate, now).map_err(explain)?;
                let binding = subkey.verify_bindings(&certificate.primary_key);
                binding.map_err(|_| explain("is not bound to its certificate"))?;
                let created = u64::from(subkey.key.created_at().as_secs());
                let newest =
                    newest(&subkey.signatures).ok_or_else(|| explain("is not bound to its certificate"))?;
                if subkey
                    .signatures
                    .iter()
                    .any(|s| s.typ() == Some(pgp::packet::SignatureType::SubkeyRevocation))
                {
                    return Err(explain("has been revoked"));
                }
                if !newest.key_flags().sign() {
                    return Err(explain("is not meant for signing"));
                }
                if has_expired(newest, created, now) {
                    return Err(explain("has expired"));
                }
                return check_age(signature, now).map_err(explain);
            }
        }
        Err(format!("the signing key {issuer} is not in the keyring"))
    }
}

fn is_issuer(signature: &Signature, key: &impl VerifyingKey) -> bool {
    let (fingerprints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    match fingerprints.first() {
        Some(_) => fingerprints.contains(&&key.fingerprint()),
        None => ids.contains(&&key.legacy_key_id()),
    }
}

fn check_with(signature: &Signature, key: &impl VerifyingKey, text: &[u8]) -> Result<(), ()> {
    signature.verify(key, text).map_err(drop)
}

/// Revocation and expiry of a certificate's primary key. Returns the self-signature that counts.
fn check_certificate(certificate: &SignedPublicKey, now: u64) -> Result<Signature, &'static str> {
    let revocations = &certificate.details.revocation_signatures;
    if revocations.iter().any(|revocation| revocation.verify_key(&certificate.primary_key).is_ok()) {
        return Err("has been revoked");
    }
    let created = u64::from(certificate.primary_key.created_at().as_secs());
    let mut own = certificate.details.direct_signatures.clone();
    own.retain(|signature| signature.verify_key(&certificate.primary_key).is_ok());
    for user in &certificate.details.users {
        own.extend(
            user.signatures
                .iter()
                .filter(|signature| {
                    let tag = pgp::types::Tag::UserId;
                    signature.is_certification()
                        && signature.verify_certification(&certificate.primary_key, tag, &user.id).is_ok()
                })
                .cloned(),
        );
    }
    match newest(&own) {
        None => Err("has no self-signature"),
        Some(signature) if has_expired(signature, created, now) => Err("has expired"),
        Some(signature) => Ok(signature.clone()),
    }
}

fn newest(signatures: &[Signature]) -> Option<&Signature> {
    signatures.iter().max_by_key(|signature| signature.created().map(pgp::types::Timestamp::as_secs))
}

fn has_expired(binding: &Signature, created: u64, now: u64) -> bool {
    match binding.key_expiration_time().map(|time| u64::from(time.as_secs())) {
        None | Some(0) => false,
        Some(seconds) => created + seconds <= now,
    }
}

fn check_age(signature: &Signature, now: u64) -> Result<(), &'static str> {
    let created = signature.created().map_or(0, |time| u64::from(time.as_secs()));
    match signature.signature_expiration_time().map(|time| u64::from(time.as_secs())) {
        Some(seconds) if seconds > 0 && created + seconds <= now => Err("made a signature that has expired"),
        _ => Ok(()),
    }
}

/// What a verified `InRelease` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The suite's names: `Suite` and `Codename`.
    pub names: Vec<String>,
    /// When it was made, as it stands there.
    pub date: String,
    /// Until when it may be used, in seconds since 1970. Released suites have no end.
    pub valid_until: Option<u64>,
    /// Whether indexes can be had by their hashes.
    pub by_hash: bool,
    /// The SHA-256 and size in bytes of each index, by its path from the suite's folder.
    pub files: BTreeMap<String, (Sha256, u64)>,
}

impl Release {
    /// Reads the signed text.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let stanzas = parse_stanzas(text).map_err(|error| error.to_string())?;
        let [stanza] = stanzas.as_slice() else {
            return Err("it is not one stanza".to_owned());
        };
        let files = stanza.get("SHA256").ok_or("it has no SHA-256 checksums")?;
        let files = files.lines().filter(|line| !line.trim().is_empty()).map(parse_file);
        Ok(Self {
            names: ["Suite", "Codename"]
                .iter()
                .filter_map(|name| stanza.get(name))
                .map(str::to_owned)
                .collect(),
            date: stanza.get("Date").unwrap_or_default().to_owned(),
            valid_until: stanza
                .get("Valid-Until")
                .map(|date| parse_date(date).ok_or_else(|| format!("`Valid-Until: {date}` is no date")))
                .transpose()?,
            by_hash: stanza.get("Acquire-By-Hash") == Some("yes"),
            files: files.collect::<Option<_>>().ok_or("a line of its SHA-256 checksums can't be read")?,
        })
    }

    /// Checks that it is the suite that was asked for, and that it may still be used at `now` (in seconds since
    /// 1970; `None` for a snapshot, which is old on purpose).
    ///
    /// # Errors
    /// In words, why it may not be used.
    pub fn check(&self, suite: &str, now: Option<u64>) -> Result<(), String> {
        if !self.names.iter().any(|name| name == suite) {
            return Err(format!("it is the index of {}", self.names.join(", ")));
        }
        match (self.valid_until, now) {
            (Some(end), Some(now)) if end < now => Err(format!(
                "it was made on {} and has expired: the mirror is not being updated, or the clock is wrong",
                self.date
            )),
            _ => Ok(()),
        }
    }
}

fn parse_file(line: &str) -> Option<(String, (Sha256, u64))> {
    let mut words = line.split_whitespace();
    let (sha256, size, path) = (words.next()?, words.next()?, words.next()?);
    Some((path.to_owned(), (Sha256::from_hex(sha256).ok()?, size.parse().ok()?)))
}

/// `Sat, 12 Sep 2026 07:55:41 UTC` → seconds since 1970.
fn parse_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(',').map_or(text, |(_, rest)| rest).split_whitespace();
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut time = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    if !matches!(words.next(), Some("UTC" | "GMT" | "+0000")) || year < 1970 {
        return None;
    }
    // Days since 1970-01-01, with years that begin in March so that a leap day comes last.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    Some((days.checked_sub(719_468)?) * 86_400 + hour * 3_600 + minute * 60 + second)
}
