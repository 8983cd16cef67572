//! Writes the JSON schemas of xbuild's files into a folder: `cargo run -p xbuild-describe --example schema -- schema`.

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "schema".into());
    fs_err::create_dir_all(&folder)?;
    for (name, text) in xbuild_describe::schemas() {
        fs_err::write(std::path::Path::new(&folder).join(name), text)?;
    }
    Ok(())
}
