//! Graph, keys, reasons and the ready queue: pure
