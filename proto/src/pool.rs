//! The descriptors of all our messages, for what works on any of them.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor};

/// A `FileDescriptorSet` of every `.proto` file and its imports, `google/rpc` and the well-known types included. gRPC
/// reflection serves it too.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("tests/generated.rs keeps descriptors.bin valid")
});

/// The pool, built on first use (about a millisecond).
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// The descriptor of a message, by its full name such as `hansard.v1.Room`.
pub fn message(full_name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(full_name)
}

/// The descriptor of a method, by its gRPC path with or without the leading slash, such as
/// `hansard.v1.RoomService/CreateRoom`.
pub fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/').unwrap_or(path).split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    service.methods().find(|method| method.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_all_that_json_needs() {
        for name in [
            "hansard.v1.ConnectRequest",
            "hansard.cluster.v1.LinkRequest",
            "google.rpc.Status",
            "google.rpc.ErrorInfo",
            "google.rpc.RetryInfo",
            "google.protobuf.Any",
            "google.protobuf.Timestamp",
            "google.protobuf.Duration",
        ] {
            assert!(message(name).is_some(), "{name}");
        }
    }

    #[test]
    fn finds_methods_by_path() {
        let found = method("hansard.v1.RoomService/CreateRoom").unwrap();
        assert_eq!(found.input().full_name(), "hansard.v1.CreateRoomRequest");
        assert_eq!(found.output().full_name(), "hansard.v1.CreateRoomResponse");
        assert!(method("/hansard.v1.RoomService/CreateRoom").is_some());
        for unknown in ["", "/", "CreateRoom", "hansard.v1.RoomService/Nothing", "no.Service/CreateRoom"] {
            assert!(method(unknown).is_none(), "{unknown}");
        }
    }
}
