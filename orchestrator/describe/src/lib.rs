//! Text to a validated description, and the evaluation of a request: pure
