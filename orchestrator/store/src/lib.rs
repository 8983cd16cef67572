//! Blobs, trees, action cache, roots and collection
