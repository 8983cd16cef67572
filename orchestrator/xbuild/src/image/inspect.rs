//! What is in an image, and why.

use serde_json::json;
use xbuild_action::ContentExt as _;
use xbuild_base::RelPath;
use xbuild_image::{Kind, Node, Role, RootFs};
use xbuild_output::{Overrides, size};
use xbuild_store::Disk;

use super::Made;
use crate::error::XbuildError;
use crate::ui::Ui;

/// Prints layers, and of each the files with their sizes and reasons.
pub(crate) fn inspect(
    store: &Disk,
    made: &[Made],
    overrides: &Overrides,
    ui: &Ui,
) -> Result<(), XbuildError> {
    for made in made {
        for image in &made.images {
            let contents = store.get(image.contents)?;
            let root: RootFs =
                serde_json::from_slice(&contents).map_err(|error| XbuildError::machine(&error))?;
            if ui.json {
                ui.output_line(&line((made, overrides), image, &root).to_string());
            } else {
                show(&overrides.told(&made.name), image, &root, ui);
            }
        }
    }
    Ok(())
}

/// What is of a role, in the order of paths.
fn of_role(root: &RootFs, role: Role) -> impl Iterator<Item = (&RelPath, &Node)> {
    root.nodes().filter(move |(_, node)| node.role == role)
}

fn line(
    (made, overrides): (&Made, &Overrides),
    image: &xbuild_image::Image,
    root: &RootFs,
) -> serde_json::Value {
    let layers: Vec<serde_json::Value> = image
        .layers
        .iter()
        .map(|(role, layer)| {
            json!({
                "role": role, "digest": layer.blob.sha256(), "diff-id": layer.diff.sha256(),
                "size": layer.diff.size(), "compressed-size": layer.blob.size(),
            })
        })
        .collect();
    let files: Vec<serde_json::Value> = root
        .nodes()
        .map(|(path, node)| {
            json!({
                "path": format!("/{path}"), "kind": kind(node), "size": node.size(), "mode": format!("{:04o}", node.mode),
                "owner": format!("{}:{}", node.owner.uid, node.owner.gid), "layer": node.role, "why": node.why,
            })
        })
        .collect();
    json!({
        "reason": "xbuild-image-contents", "variant": made.variant, "name": made.name,
        "platform": image.platform.to_string(), "digest": image.manifest.sha256(),
        "layers": layers, "files": files, "overrides": overrides,
    })
}

fn kind(node: &Node) -> &'static str {
    match node.kind {
        Kind::File(_) => "file",
        Kind::Directory => "folder",
        Kind::Symlink(_) => "link",
    }
}

fn show(name: &str, image: &xbuild_image::Image, root: &RootFs, ui: &Ui) {
    let bold = |text: &str| ui.paint(anstyle::AnsiColor::Green, text);
    let (whole, sent) = (size(image.size()), size(image.compressed_size()));
    let title = format!("{name} {}", image.platform);
    ui.output_line(&format!("{}  {whole}, {sent} compressed  {}", bold(&title), image.manifest.sha256()));
    let mut shown: Option<Role> = None;
    for (role, layer) in &image.layers {
        let (whole, sent) = (size(layer.diff.size()), size(layer.blob.size()));
        ui.output_line(&format!("\n  {role}  {whole}, {sent} compressed  {}", layer.blob.sha256()));
        // A pulled base has several layers, and one list of files.
        if shown.replace(*role) == Some(*role) && *role == Role::Pulled {
            continue;
        }
        for (path, node) in of_role(root, *role) {
            let bytes = match &node.kind {
                Kind::File(_) => size(node.size()),
                Kind::Directory => "folder".to_owned(),
                Kind::Symlink(_) => "link".to_owned(),
            };
            let owner = format!("{}:{}", node.owner.uid, node.owner.gid);
            ui.output_line(&format!(
                "    {bytes:>10}  {:04o} {owner:<11}  /{path}  ({})",
                node.mode, node.why
            ));
        }
    }
    ui.output_line("");
}
