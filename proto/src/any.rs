//! Messages in `google.protobuf.Any`, told apart by their type's name.

use prost::{Message, Name};
use prost_types::Any;

/// What stands before the type's name in the type URLs that we write; readers look only at what follows the last slash.
const PREFIX: &str = "type.googleapis.com/";

/// Why an `Any` could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum AnyError {
    /// It holds something else.
    #[error("the body is a {found:?}; this call takes a {expected}")]
    OtherType {
        /// The type's full name as it was sent.
        found: String,
        /// The type's full name as it should be.
        expected: String,
    },
    /// Its bytes are not such a message.
    #[error("the body is no valid {expected}: {source}")]
    Malformed {
        /// The type's full name.
        expected: String,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
}

/// Packs a message.
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any { type_url: type_url(&M::full_name()), value: message.encode_to_vec() }
}

/// The type URL of a type, by its full name such as `hansard.v1.Room`.
pub fn type_url(full_name: &str) -> String {
    format!("{PREFIX}{full_name}")
}

/// The full name of the type that an `Any` says it holds.
pub fn type_name(any: &Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

/// Whether an `Any` says that it holds an `M`.
pub fn is<M: Name>(any: &Any) -> bool {
    type_name(any) == M::full_name()
}

/// Unpacks a message of a known type.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, AnyError> {
    if !is::<M>(any) {
        return Err(AnyError::OtherType { found: type_name(any).to_owned(), expected: M::full_name() });
    }
    M::decode(any.value.as_slice()).map_err(|source| AnyError::Malformed { expected: M::full_name(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{GetRoomRequest, Ping};

    #[test]
    fn unpacks_what_was_packed() {
        let any = pack(&Ping { nonce: 7 });
        assert_eq!(any.type_url, "type.googleapis.com/hansard.v1.Ping");
        assert_eq!(unpack::<Ping>(&any).unwrap(), Ping { nonce: 7 });
    }

    #[test]
    fn reads_any_prefix() {
        let mut any = pack(&Ping { nonce: 7 });
        any.type_url = "/hansard.v1.Ping".into();
        assert!(unpack::<Ping>(&any).is_ok());
    }

    #[test]
    fn says_what_it_found() {
        let error = unpack::<GetRoomRequest>(&pack(&Ping { nonce: 7 })).unwrap_err();
        assert_eq!(error.to_string(), "the body is a \"hansard.v1.Ping\"; this call takes a hansard.v1.GetRoomRequest");
        let mut broken = pack(&Ping { nonce: 7 });
        broken.value = vec![0xff];
        assert!(matches!(unpack::<Ping>(&broken), Err(AnyError::Malformed { .. })));
    }
}
