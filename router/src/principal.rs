//! Who is on the other side.

use std::sync::Arc;

use hansard_domain::PersonId;
use hansard_proto::cluster::v1 as edge;
use hansard_proto::convert::bytes;

/// An authenticated person. Holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The person.
    pub(crate) person: PersonId,
    /// The person's epoch at admission.
    pub(crate) epoch: u64,
    /// The token has the role `operator`.
    pub(crate) operator: bool,
    /// The token's issuer.
    pub(crate) issuer: Arc<str>,
    /// The token's id, if it has one.
    pub(crate) token_id: Option<Arc<str>>,
    /// When the token was issued, seconds since 1970.
    pub(crate) issued_s: i64,
    /// When the token expires, seconds since 1970.
    pub(crate) expires_s: i64,
}

impl Principal {
    /// As nodes are told.
    pub(crate) fn to_wire(&self) -> edge::Principal {
        edge::Principal { person: bytes(self.person), epoch: self.epoch, operator: self.operator }
    }
}
