//! (see the module table in the crate's documentation)
