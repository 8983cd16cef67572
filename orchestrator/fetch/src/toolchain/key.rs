//! The key that a component's tree is remembered by.
//!
//! | field of a recipe | in the key | why |
//! |---|---|---|
//! | keep, drop, copies, links, aliases, files | yes | they shape the tree |
//! | archives | yes | their objects lie in the tree |
//! | uses | yes, by the keys of those components | `copies` and `archives` reach into them |
//! | wheel | its patterns and prefix | its content is in the pin |
//! | pins | their checksums, in order | they are the content |
//! | name, suites, architecture, roots, without | no | they only decide what the pins are |

use xbuild_base::{Hasher, Sha256};
use xbuild_describe::{Archive, Component, PackagePin, Pins, Wheel, WheelPin};

/// Counts up whenever the same recipe and pins would compose to another tree.
const VERSION: &str = "component 1";

/// The key of a component's tree. `uses` are the keys of the components that it uses, in its order, and `salt`
/// what beside them decides about compiled parts.
pub(crate) fn key(component: &Component, pins: &Pins, uses: &[Sha256], salt: &str) -> Sha256 {
    let Component {
        name: _,
        suites: _,
        architecture: _,
        roots: _,
        without: _,
        keep,
        drop,
        uses: _,
        copies,
        links,
        aliases,
        files,
        archives,
        wheel,
    } = component;
    let Pins { packages, wheels } = pins;
    let mut text = Text::default();
    text.add(VERSION).add(salt);
    text.list(keep).list(drop);
    for (a, b) in copies {
        text.add("copy").add(a.as_str()).add(b.as_str());
    }
    for (a, b) in links {
        text.add("link").add(a.as_str()).add(b);
    }
    for (a, b) in aliases {
        text.add("alias").add(a.as_str()).list(b);
    }
    for (a, b) in files {
        text.add("file").add(a.as_str()).add(b);
    }
    for Archive { output, sources, without, compiler, flags, merge } in archives {
        text.add("archive")
            .add(output.as_str())
            .list(sources)
            .list(without)
            .list(compiler.as_slice())
            .list(flags);
        text.list(merge);
    }
    if let Some(Wheel { name: _, version: _, keep, prefix }) = wheel {
        text.add("wheel").list(keep).add(prefix.as_str());
    }
    for PackagePin { sha256, name: _, version: _, architecture: _, suite: _, path: _, size: _ } in packages {
        text.add("package").add(&sha256.to_hex());
    }
    for WheelPin { sha256, name: _, version: _, file: _, size: _ } in wheels {
        text.add("wheel pin").add(&sha256.to_hex());
    }
    for used in uses {
        text.add("uses").add(&used.to_hex());
    }
    text.0.sha256()
}

/// Texts one after the other, each with its length, so that no two sequences are the same bytes.
#[derive(Default)]
struct Text(Hasher);

impl Text {
    fn add(&mut self, text: &str) -> &mut Self {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    fn list<T: AsRef<str>>(&mut self, texts: &[T]) -> &mut Self {
        self.0.update(&(texts.len() as u64).to_le_bytes());
        for text in texts {
            self.add(text.as_ref());
        }
        self
    }
}
