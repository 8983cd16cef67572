//! Scheduler, pipelining and lookups: drives actions through cache and executor
