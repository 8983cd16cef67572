//! Sandbox and local executor
