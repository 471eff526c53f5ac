//! Histories made by hand, whole and damaged.

mod speed;
mod support;
mod violations;
