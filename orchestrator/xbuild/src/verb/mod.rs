//! A file a verb.

pub(crate) mod build;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod image;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod toolchain;
pub(crate) mod update;
