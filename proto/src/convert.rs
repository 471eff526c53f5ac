//! Between wire types and `hansard-domain`'s.
