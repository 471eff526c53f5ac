//! Every unary call, by whatever way it comes: as a `call` frame of a session or over plain gRPC.

mod cluster;
mod messages;
pub(crate) mod page;
mod people;
mod rooms;

use bytes::Bytes;
use hansard_proto::any::{type_name, type_url};
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::rpc::Status;
use hansard_proto::{convert, status, v1};
use prost::{Message, Name};
use prost_types::Any;
use tonic::Code;

use crate::directory::Target;
use crate::edge::Edge;
use crate::principal::Principal;
use crate::proposal::Proposal;
use crate::reason;
use crate::refuse::{Fault, field};

/// Who calls, and by which means it is answered.
struct Cx<'a> {
    edge: &'a Edge,
    who: &'a Principal,
    /// The session that calls; 0 over plain gRPC.
    session: u64,
}

/// A request's body.
enum Body {
    /// Of a call frame: says what it holds.
    Any(Any),
    /// Of plain gRPC.
    Bytes(Bytes),
}

/// A response's bytes, and its type's name.
struct Answer {
    bytes: Vec<u8>,
    full_name: fn() -> String,
}

/// Answers a `call` frame. `method`: such as `hansard.v1.RoomService/CreateRoom`.
///
/// # Errors
/// The status of the call.
pub(crate) async fn call_any(
    edge: &Edge,
    who: &Principal,
    session: u64,
    method: &str,
    body: Option<Any>,
) -> Result<Any, Status> {
    let answer = call(Cx { edge, who, session }, method, Body::Any(body.unwrap_or_default())).await?;
    Ok(Any { type_url: type_url(&(answer.full_name)()), value: answer.bytes })
}

/// Answers a plain gRPC call.
///
/// # Errors
/// The status of the call.
pub(crate) async fn call_bytes(edge: &Edge, who: &Principal, method: &str, body: Bytes) -> Result<Bytes, Status> {
    let answer = call(Cx { edge, who, session: 0 }, method, Body::Bytes(body)).await?;
    Ok(answer.bytes.into())
}

/// The path without its leading slash, if there is such a method.
pub(crate) fn method(path: &str) -> Option<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    METHODS.contains(&path).then_some(path)
}

/// Whether the method answers with a list, or with as many things as are asked for: that may be long.
pub(crate) fn answers_at_length(path: &str) -> bool {
    let name = method(path).and_then(|path| path.split_once('/')).map(|(_, name)| name);
    name.is_some_and(|name| name.starts_with("List") || name == "GetPeople")
}

async fn call(cx: Cx<'_>, method: &str, body: Body) -> Result<Answer, Status> {
    let called = match self::method(method) {
        Some(method) => dispatch(&cx, method, body).await,
        None => {
            let known = "see docs/protocol.md for those that exist";
            let text = format!("there is no method {:?}; {known}", method.chars().take(128).collect::<String>());
            Err(Fault::Here(status::new(Code::Unimplemented, reason::METHOD_UNKNOWN, text)))
        }
    };
    called.map_err(|fault| {
        if let Fault::Here(refused) = &fault {
            cx.edge.refusals.add(cx.who, refused);
        }
        fault.into_status()
    })
}

macro_rules! methods {
    ($($path:literal => $handler:path,)*) => {
        const METHODS: &[&str] = &[$($path,)*];

        async fn dispatch(cx: &Cx<'_>, method: &str, body: Body) -> Result<Answer, Fault> {
            match method {
                $($path => Ok(answer(&Box::pin($handler(cx, read(body)?)).await?)),)*
                _ => unreachable!("only methods of the list are dispatched"),
            }
        }
    };
}

methods! {
    "hansard.v1.RoomService/CreateRoom" => rooms::create,
    "hansard.v1.RoomService/OpenDirectRoom" => rooms::open_direct,
    "hansard.v1.RoomService/GetRoom" => rooms::get,
    "hansard.v1.RoomService/ListRooms" => rooms::list,
    "hansard.v1.RoomService/JoinRoom" => rooms::join,
    "hansard.v1.RoomService/LeaveRoom" => rooms::leave,
    "hansard.v1.RoomService/InviteMember" => rooms::invite,
    "hansard.v1.RoomService/RemoveMember" => rooms::remove,
    "hansard.v1.RoomService/SetMemberRole" => rooms::set_role,
    "hansard.v1.RoomService/SetRoomTopic" => rooms::set_topic,
    "hansard.v1.RoomService/ListMembers" => rooms::list_members,
    "hansard.v1.MessageService/SendMessage" => messages::send,
    "hansard.v1.MessageService/EditMessage" => messages::edit,
    "hansard.v1.MessageService/RedactMessage" => messages::redact,
    "hansard.v1.MessageService/ListHistory" => messages::list_history,
    "hansard.v1.MessageService/MarkRead" => messages::mark_read,
    "hansard.v1.MessageService/ListUnread" => messages::list_unread,
    "hansard.v1.PersonService/GetPeople" => people::get,
    "hansard.v1.PersonService/ResolvePerson" => people::resolve,
    "hansard.v1.PersonService/ListPeople" => people::list,
    "hansard.v1.ClusterService/GetClusterStatus" => cluster::status,
    "hansard.v1.ClusterService/JoinNode" => cluster::join_node,
    "hansard.v1.ClusterService/DecommissionNode" => cluster::decommission_node,
    "hansard.v1.ClusterService/TransferLeader" => cluster::transfer_leader,
    "hansard.v1.ClusterService/MoveReplica" => cluster::move_replica,
    "hansard.v1.ClusterService/RevokeToken" => cluster::revoke_token,
}

impl Cx<'_> {
    /// Asks a node.
    async fn ask(&self, target: Target, call: Call) -> Result<Outcome, Fault> {
        self.edge.upstream.call(Some(self.who), target, call).await.map_err(Fault::There)
    }

    /// Has a proposal committed.
    async fn commit(&self, proposal: Proposal) -> Result<Option<v1::Commit>, Fault> {
        let room = proposal.room.to_string();
        let committed = self.edge.upstream.propose(self.who, proposal).await.map_err(Fault::There)?;
        Ok(Some(v1::Commit { room, seq: committed.seq, time: Some(convert::timestamp(committed.time_us)) }))
    }
}

fn read<M: Message + Name + Default>(body: Body) -> Result<M, Fault> {
    let bytes = match body {
        Body::Bytes(bytes) => bytes,
        // A call without a body asks with all fields at their defaults.
        Body::Any(any) if any == Any::default() => Bytes::new(),
        Body::Any(any) if type_name(&any) == M::full_name() => any.value.into(),
        Body::Any(any) => {
            let found: String = type_name(&any).chars().take(128).collect();
            let text = format!("this method takes a {}, and the body is a {found:?}", M::full_name());
            return Err(field(reason::INVALID_ARGUMENT, "body", text));
        }
    };
    M::decode(bytes)
        .map_err(|error| field(reason::INVALID_ARGUMENT, "body", format!("the body is no {}: {error}", M::full_name())))
}

fn answer<M: Message + Name>(message: &M) -> Answer {
    Answer { bytes: message.encode_to_vec(), full_name: M::full_name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unary_method_of_the_contract_is_served() {
        let services = ["RoomService", "MessageService", "PersonService", "ClusterService"];
        let pool = hansard_proto::pool::pool();
        let mut declared: Vec<String> = Vec::new();
        for service in services {
            let service = pool.get_service_by_name(&format!("hansard.v1.{service}")).unwrap();
            declared.extend(service.methods().map(|method| format!("{}/{}", service.full_name(), method.name())));
        }
        assert_eq!(declared, METHODS);
        assert_eq!(method("/hansard.v1.RoomService/GetRoom"), Some("hansard.v1.RoomService/GetRoom"));
        assert_eq!(method("hansard.v1.SessionService/Connect"), None);
        assert!(
            answers_at_length("hansard.v1.MessageService/ListHistory")
                && !answers_at_length("hansard.v1.RoomService/GetRoom")
        );
    }

    #[test]
    fn bodies_must_be_of_their_type() {
        let right = hansard_proto::any::pack(&v1::GetRoomRequest { room: "r".into() });
        assert_eq!(read::<v1::GetRoomRequest>(Body::Any(right.clone())).unwrap().room, "r");
        let wrong = read::<v1::JoinRoomRequest>(Body::Any(right)).unwrap_err().into_status();
        assert!(wrong.message.contains("hansard.v1.JoinRoomRequest"), "{}", wrong.message);
        assert!(read::<v1::GetRoomRequest>(Body::Any(Any::default())).is_ok());
        assert!(read::<v1::GetRoomRequest>(Body::Bytes(Bytes::from_static(&[0xff]))).is_err());
    }
}
