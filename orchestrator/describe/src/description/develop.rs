//! `[develop]` and `[develop.NAME]`: what shells for people have beside the toolchain.

use std::collections::{BTreeMap, BTreeSet};

use super::environment::{self, Variables};
use super::step::{Named, is_name, read_tools};
use crate::reader::{Field, Fields, Reader};

/// What shells for people have beside the toolchain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Develop {
    /// What each of them has, and the one without a name nothing else.
    pub common: DevelopShell,
    /// `[develop.NAME]`: what the shell of that name has besides.
    pub named: BTreeMap<String, DevelopShell>,
}

/// What a shell has beside the toolchain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevelopShell {
    /// As [`super::Step::tools`].
    pub tools: BTreeSet<String>,
    /// Environment variables.
    pub env: Variables,
}

impl Develop {
    /// All that the shell of a name has, its own variables over those of every shell; without a name, or by one that no
    /// shell has, what every shell has.
    #[must_use]
    pub fn shell(&self, name: Option<&str>) -> DevelopShell {
        let mut shell = self.common.clone();
        if let Some(DevelopShell { tools, env }) = name.and_then(|name| self.named.get(name)) {
            shell.tools.extend(tools.iter().cloned());
            shell.env.extend(env.clone());
        }
        shell
    }
}

pub(super) fn read(field: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Develop {
    let Some(mut fields) = field.table(reader) else { return Develop::default() };
    let mut develop = Develop { common: read_shell(&mut fields, named, reader), named: BTreeMap::new() };
    for (name, at, field) in fields.tables(reader) {
        if !is_name(name, at, "a shell", reader) {
            continue;
        }
        let Some(mut fields) = field.table(reader) else { continue };
        develop.named.insert(name.to_owned(), read_shell(&mut fields, named, reader));
        fields.finish(reader);
    }
    fields.finish(reader);
    develop
}

fn read_shell(fields: &mut Fields<'_>, named: &mut Named, reader: &mut Reader) -> DevelopShell {
    let tools = fields.get("tools").map(|field| read_tools(&field, named, reader)).unwrap_or_default();
    let env = fields.get("env").map(|field| environment::read(&field, reader)).unwrap_or_default();
    DevelopShell { tools, env }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_shell_has_what_every_shell_has_and_its_own_over_it() {
        let shell = |tools: &[&str], env: &[(&str, &str)]| DevelopShell {
            tools: tools.iter().map(|&tool| tool.to_owned()).collect(),
            env: env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let common = shell(&["gdb", "jq"], &[("A", "all"), ("B", "b")]);
        let docs = shell(&["jq", "pandoc"], &[("A", "docs")]);
        let develop = Develop { common: common.clone(), named: [("docs".to_owned(), docs)].into() };
        assert_eq!(
            develop.shell(Some("docs")),
            shell(&["gdb", "jq", "pandoc"], &[("A", "docs"), ("B", "b")])
        );
        assert_eq!(develop.shell(None), common);
        assert_eq!(develop.shell(Some("foo")), common);
    }
}
