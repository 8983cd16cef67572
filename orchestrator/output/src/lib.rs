//! Install, proof, sums: what comes out of a build
