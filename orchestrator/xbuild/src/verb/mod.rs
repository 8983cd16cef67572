//! A file a verb.

pub(crate) mod build;
pub(crate) mod bundle;
pub(crate) mod check;
pub(crate) mod ci;
pub(crate) mod develop;
pub(crate) mod diff;
pub(crate) mod dist;
pub(crate) mod doc;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod fmt;
pub(crate) mod image;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod reproduce;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod toolchain;
pub(crate) mod unit;
pub(crate) mod update;
pub(crate) mod why;
