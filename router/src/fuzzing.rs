//! For `tests/fuzz`, not part of the library's interface: what reads bytes from clients, key servers and nodes, and is
//! private to the crate.

mod calls;
mod conversation;

use std::error::Error;
use std::sync::Arc;

use hansard_domain::RoomId;
use hansard_proto::cluster::v1 as edge;
use tokio::time::Instant;

pub use calls::Calls;
pub use conversation::{Conversation, Deed};

use crate::auth::{self, Checked, Key, KeysError, Unverified, Wanted};
use crate::directory::{State, Target};
use crate::unary::page::Place;

/// Checks tokens with fixed keys.
pub struct Verifier {
    keys: auth::Set,
    wanted: Wanted,
}

/// Who a token says its holder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The subject.
    pub subject: String,
    /// Whether the holder is an operator.
    pub operator: bool,
    /// When the token ends, seconds since 1970.
    pub expires_s: i64,
}

impl Verifier {
    /// With the keys of a JWKS.
    ///
    /// # Errors
    /// The reader's.
    pub fn new(jwks: &[u8], issuer: &str, audience: &str) -> Result<Self, KeysError> {
        let wanted = Wanted { issuer: issuer.to_owned(), audience: audience.to_owned() };
        Ok(Self { keys: auth::parse("the input", jwks)?, wanted })
    }

    /// The ids of its keys.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Checks a token at a time, microseconds UTC.
    ///
    /// # Errors
    /// Why it is not admitted.
    pub fn check(&self, token: &str, now_us: i64) -> Result<Holder, Box<dyn Error>> {
        let token = Unverified::read(token)?;
        let key: &Arc<Key> = self.keys.get(&token.key_id).ok_or("unknown key")?;
        let Checked { subject, operator, expires_s, .. } = token.verify(key)?.check(&self.wanted, now_us)?;
        Ok(Holder { subject, operator, expires_s })
    }
}

/// A page token as it is handed out again.
///
/// # Errors
/// The refusal.
pub fn page_token(text: &str) -> Result<String, String> {
    Place::read(text).map(Place::write).map_err(|fault| fault.into_status().message)
}

/// Where calls about a room go: the shard, and the node that leads it. None: nobody knows.
pub type Routed = Option<([u8; 16], Option<u64>)>;

/// Where calls about rooms go after a directory took in messages, the first of a link and later ones.
pub fn routes(messages: Vec<edge::Directory>, rooms: &[RoomId]) -> Vec<Routed> {
    let mut state = State::default();
    for (number, message) in messages.into_iter().enumerate() {
        state.merge(message, number == 0, Instant::now());
    }
    let route = |room: &RoomId| state.route(Target::Room(*room)).map(|route| (*route.shard.as_bytes(), route.leader));
    rooms.iter().map(route).collect()
}
