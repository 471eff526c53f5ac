//! The wire: what clients, routers and nodes say to each other.
//!
//! `proto/` holds the `.proto` files, `src/gen` what is generated from them (`tests/generated.rs` keeps the two equal).
//! Wire types stop at the crates that speak them: [`convert`] turns them into `hansard-domain`'s types and back.

mod generated;

pub mod any;
pub mod convert;
pub mod hot;
pub mod json;
pub mod pool;
pub mod reason;
pub mod status;

pub use generated::hansard::v1;

/// Messages inside the cluster; clients never see them.
pub mod cluster {
    pub use crate::generated::hansard::cluster::v1::{self, *};
}

/// The error model of Google APIs: `Status` and its details.
pub use generated::google::rpc;
