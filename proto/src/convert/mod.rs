//! Between wire types and `hansard-domain`'s.
//!
//! Clients see ids as text and times as timestamps; inside the cluster ids are bytes and times microseconds. What comes from
//! the wire is checked here; [`ConvertError`] says which field is wrong, and becomes an `INVALID_ARGUMENT`.

mod entry;
mod gap;
mod id;
mod outcome;
mod propose;
mod role;
mod time;

pub use entry::{event, event_from_wire};
pub use id::{WireId, bytes, id_of_bytes, id_of_text, optional_id_of_bytes, text};
pub use outcome::{outcome_of, proposed};
pub use propose::{action_of, propose};
pub use role::{role_of, role_of_number, visibility_of, visibility_of_number};
pub use time::{duration, micros, timestamp};

use tonic::Code;

use crate::{reason, rpc::Status, status};

/// A field of a message that holds what it cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {what}")]
pub struct ConvertError {
    /// The field's name, as in the `.proto` file.
    pub field: &'static str,
    /// What is wrong with it.
    pub what: String,
}

impl ConvertError {
    /// `what` is wrong with `field`.
    pub fn new(field: &'static str, what: impl Into<String>) -> Self {
        Self { field, what: what.into() }
    }
}

impl From<ConvertError> for Status {
    fn from(error: ConvertError) -> Self {
        let metadata = [("field", error.field.to_owned())];
        status::with_metadata(Code::InvalidArgument, reason::INVALID_ARGUMENT, error.to_string(), metadata)
    }
}

impl From<ConvertError> for tonic::Status {
    fn from(error: ConvertError) -> Self {
        Status::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_field() {
        let status = Status::from(ConvertError::new("room", "not an id"));
        let info = status::info_of(&status).unwrap();
        assert_eq!((status.code, info.reason.as_str()), (3, "INVALID_ARGUMENT"));
        assert_eq!(info.metadata["field"], "room");
        assert_eq!(status.message, "room: not an id");
    }
}
