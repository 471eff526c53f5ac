//! Who is on the other side.

use std::sync::Arc;

use hansard_domain::PersonId;
use hansard_proto::cluster::v1 as edge;
use hansard_proto::convert::bytes;

/// An authenticated person. Holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub person: PersonId,
    /// The person's epoch at admission.
    pub epoch: u64,
    /// The token has the role `operator`.
    pub operator: bool,
    /// The token's issuer.
    pub issuer: Arc<str>,
    /// The token's id, if it has one.
    pub token_id: Option<Arc<str>>,
    /// When the token was issued, seconds since 1970.
    pub issued_s: i64,
    /// When the token expires, seconds since 1970.
    pub expires_s: i64,
}

impl Principal {
    /// As nodes are told.
    pub fn to_wire(&self) -> edge::Principal {
        edge::Principal {
            person: bytes(self.person),
            epoch: self.epoch,
            operator: self.operator,
        }
    }
}
