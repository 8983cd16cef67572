//! A distribution server's folder made of a toolchain that rustup has installed: the same layout and a channel
//! manifest of its own, so that the official distribution's path can be walked with no network.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use xbuild_base::Sha256;

/// The day of all manifests.
pub(crate) const DATE: &str = "2026-01-01";

/// Packs rustc, cargo, clippy and std for `host` of the toolchain at `sysroot` into `folder/dist`, with
/// `channel-rust-<version>.toml` and its checksum. `server` is the address that the manifest's entries begin with.
///
/// With `-nightly` in the version it is as if it were what nightly was on a day: its rustc says so, and takes what a
/// nightly takes.
///
/// # Errors
/// When a file can't be read or written.
pub(crate) fn mirror(
    sysroot: &Path,
    host: &str,
    version: &str,
    server: &str,
    folder: &Path,
) -> std::io::Result<()> {
    let rustc = format!(
        "#!/bin/sh\ncase \"$*\" in\n-vV) \"$0-release\" -vV | sed 's/^release: .*/release: {version}/' ;;\n\
         *) RUSTC_BOOTSTRAP=1 exec \"$0-release\" \"$@\" ;;\nesac\n"
    );
    // What takes the place of programs, which are beside it as `…-release`.
    let (name, instead) = match version.ends_with("-nightly") {
        true => (format!("{DATE}/channel-rust-nightly.toml"), vec![("bin/rustc", rustc.as_str())]),
        false => (format!("channel-rust-{version}.toml"), Vec::new()),
    };
    let dist = folder.join("dist");
    fs_err::create_dir_all(dist.join(DATE))?;
    let mut manifest = format!("manifest-version = \"2\"\ndate = \"{DATE}\"\n");
    for (package, component) in [
        ("rustc", format!("rustc-{host}")),
        ("cargo", format!("cargo-{host}")),
        ("rust-std", format!("rust-std-{host}")),
        ("clippy", format!("clippy-preview-{host}")),
    ] {
        let file = format!("{package}-{version}-{host}.tar.gz");
        let top = format!("{package}-{version}-{host}");
        let list = fs_err::read_to_string(sysroot.join(format!("lib/rustlib/manifest-{component}")))?;
        let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(encoder);
        archive.follow_symlinks(false);
        let mut text = |path: String, body: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_size(body.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, body.as_bytes())
        };
        text(format!("{top}/components"), &format!("{component}\n"))?;
        text(format!("{top}/{component}/manifest.in"), &list)?;
        for line in list.lines() {
            let inside = |path: &str| format!("{top}/{component}/{path}");
            match line.split_once(':') {
                Some(("file", path)) if instead.iter().any(|(one, _)| *one == path) => {
                    let (_, text) = instead.iter().find(|(one, _)| *one == path).copied().unwrap_or_default();
                    let mut header = tar::Header::new_gnu();
                    header.set_size(text.len() as u64);
                    header.set_mode(0o755);
                    archive.append_data(&mut header, inside(path), text.as_bytes())?;
                    archive.append_path_with_name(sysroot.join(path), inside(&format!("{path}-release")))?;
                }
                Some(("file", path)) => archive.append_path_with_name(sysroot.join(path), inside(path))?,
                Some(("dir", path)) => archive.append_dir_all(inside(path), sysroot.join(path))?,
                _ => {}
            }
        }
        let bytes = archive.into_inner()?.finish()?;
        let hash = Sha256::of(&bytes).to_hex();
        fs_err::File::create(dist.join(&file))?.write_all(&bytes)?;
        let package = if package == "clippy" { "clippy-preview" } else { package };
        let _ = write!(
            manifest,
            "[pkg.{package}]\nversion = \"{version} (repacked)\"\n[pkg.{package}.target.{host}]\navailable = true\n\
             url = \"{server}/dist/{file}\"\nhash = \"{hash}\"\n"
        );
    }
    // std's source is not part of what rustup installs: an empty archive stands for it.
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    archive.append_data(&mut header, format!("rust-src-{version}/components"), &b""[..])?;
    let bytes = archive.into_inner()?.finish()?;
    let (file, hash) = (format!("rust-src-{version}.tar.gz"), Sha256::of(&bytes).to_hex());
    fs_err::File::create(dist.join(&file))?.write_all(&bytes)?;
    let _ = write!(
        manifest,
        "[pkg.rust-src]\nversion = \"{version} (repacked)\"\n[pkg.rust-src.target.\"*\"]\navailable = true\n\
         url = \"{server}/dist/{file}\"\nhash = \"{hash}\"\n"
    );
    fs_err::write(dist.join(&name), &manifest)?;
    fs_err::write(
        dist.join(format!("{name}.sha256")),
        format!("{}  {name}\n", Sha256::of(manifest.as_bytes()).to_hex()),
    )
}
