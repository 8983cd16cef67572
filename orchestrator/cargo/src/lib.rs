//! What is cargo's: unit graph, command lines, build-script directives
