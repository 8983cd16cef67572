//! `[develop]`: what a shell for people has beside the toolchain.

use std::collections::BTreeSet;

use super::environment::{self, Variables};
use super::step::{Named, read_tools};
use crate::reader::{Field, Reader};

/// What a shell for people has beside the toolchain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Develop {
    /// As [`super::Step::tools`].
    pub tools: BTreeSet<String>,
    /// Environment variables.
    pub env: Variables,
}

pub(super) fn read(field: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Develop {
    let Some(mut fields) = field.table(reader) else { return Develop::default() };
    let tools = fields.get("tools").map(|field| read_tools(&field, named, reader)).unwrap_or_default();
    let env = fields.get("env").map(|field| environment::read(&field, reader)).unwrap_or_default();
    fields.finish(reader);
    Develop { tools, env }
}
