//! Which flavour of LTO each unit takes part in: cargo's `lto.rs`, over the graph from its roots.

use crate::unit_graph::{CrateType, Mode, UnitGraph, UnitIndex};

/// What rustc is to put into a unit's artefacts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lto {
    /// Run LTO now: `-C lto` or `-C lto=…`.
    Run(Option<String>),
    /// Not even thin-local LTO: `-C lto=off`.
    Off,
    /// It is used by LTO alone: `-C linker-plugin-lto`.
    OnlyBitcode,
    /// It is linked with and without LTO: rustc's default.
    ObjectAndBitcode,
    /// `-C embed-bitcode=no`.
    OnlyObject,
}

impl Lto {
    /// The flags for rustc.
    pub(crate) fn flags(&self) -> Vec<String> {
        let flags: &[&str] = match self {
            Self::Run(Some(kind)) => return vec!["-C".to_owned(), format!("lto={kind}")],
            Self::Run(None) => &["-C", "lto"],
            Self::Off => &["-C", "lto=off", "-C", "embed-bitcode=no"],
            Self::OnlyBitcode => &["-C", "linker-plugin-lto"],
            Self::ObjectAndBitcode => &[],
            Self::OnlyObject => &["-C", "embed-bitcode=no"],
        };
        flags.iter().map(|&flag| flag.to_owned()).collect()
    }
}

/// The flavour of each unit, by its number.
pub(crate) fn flavours(graph: &UnitGraph) -> Vec<Lto> {
    let mut flavours = vec![None; graph.len()];
    for &root in graph.roots() {
        let unit = graph.unit(root);
        let flavour = match unit.profile.lto.as_str() {
            "false" => Lto::OnlyObject,
            "off" => Lto::Off,
            _ if unit.target.for_host() => Lto::OnlyObject,
            _ if needs_object(&unit.target.crate_types) => when_object_is_needed(&unit.target.crate_types),
            // The least; it may grow below.
            _ => Lto::OnlyBitcode,
        };
        calculate(graph, &mut flavours, root, &flavour);
    }
    // A unit that no root leads to is never built.
    flavours.into_iter().map(|flavour| flavour.unwrap_or(Lto::OnlyObject)).collect()
}

fn needs_object(crate_types: &[CrateType]) -> bool {
    crate_types.iter().any(|crate_type| crate_type.can_lto() || crate_type.is_dynamic())
}

fn when_object_is_needed(crate_types: &[CrateType]) -> Lto {
    if crate_types.iter().all(|crate_type| *crate_type == CrateType::Dylib) {
        Lto::OnlyObject
    } else {
        Lto::ObjectAndBitcode
    }
}

fn calculate(graph: &UnitGraph, flavours: &mut [Option<Lto>], index: UnitIndex, parent: &Lto) {
    let unit = graph.unit(index);
    let crate_types = match unit.mode {
        // What rustdoc compiles of documentation are programs too.
        Mode::Test | Mode::Doctest => &[CrateType::Binary][..],
        Mode::Build | Mode::Check | Mode::CheckTest | Mode::RunCustomBuild | Mode::Doc => {
            &unit.target.crate_types
        }
    };
    let flavour = if unit.target.for_host() {
        Lto::OnlyObject
    } else if crate_types.iter().all(CrateType::can_lto) {
        match unit.profile.lto.as_str() {
            "false" => Lto::OnlyObject,
            "true" => Lto::Run(None),
            "off" => Lto::Off,
            kind => Lto::Run(Some(kind.to_owned())),
        }
    } else {
        match (parent, needs_object(crate_types)) {
            (Lto::Run(_), false) => Lto::OnlyBitcode,
            (Lto::Run(_) | Lto::OnlyBitcode, true) => when_object_is_needed(crate_types),
            (Lto::Off, _) => Lto::Off,
            (_, false) | (Lto::OnlyObject | Lto::ObjectAndBitcode, true) => parent.clone(),
        }
    };
    let merged = match flavours[index.number()].take() {
        None => flavour,
        Some(before) => {
            let merged = merge(flavour, before.clone());
            if merged == before {
                flavours[index.number()] = Some(merged);
                return;
            }
            merged
        }
    };
    flavours[index.number()] = Some(merged.clone());
    for dependency in &unit.dependencies {
        calculate(graph, flavours, dependency.index, &merged);
    }
}

/// What satisfies both of two dependents.
fn merge(new: Lto, before: Lto) -> Lto {
    match (new, before) {
        (Lto::OnlyBitcode, Lto::OnlyBitcode) => Lto::OnlyBitcode,
        (Lto::OnlyObject, Lto::OnlyObject) => Lto::OnlyObject,
        (Lto::Run(kind), _) | (_, Lto::Run(kind)) => Lto::Run(kind),
        (Lto::Off, _) | (_, Lto::Off) => Lto::Off,
        (Lto::ObjectAndBitcode, _) | (_, Lto::ObjectAndBitcode) => Lto::ObjectAndBitcode,
        (Lto::OnlyObject, Lto::OnlyBitcode) | (Lto::OnlyBitcode, Lto::OnlyObject) => Lto::ObjectAndBitcode,
    }
}
