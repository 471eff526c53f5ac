//! Protobuf from clients to routers, from routers to clients, and what gRPC carries beside it.

use hansard_domain::{RequestId, RoomId};
use hansard_proto::{any, hot, rpc, status, v1};
use prost::Message;
use tonic::Code;

use crate::corpus::messages::samples;
use crate::law::{demand, refused, settles};
use crate::target::{Seen, Shape, Target, Verdict};

pub(super) const TARGETS: [Target; 5] = [
    protobuf("client/frame-up", || samples("hansard.v1.ConnectRequest"), message::<v1::ConnectRequest>),
    protobuf("client/frame-down", || samples("hansard.v1.ConnectResponse"), message::<v1::ConnectResponse>),
    protobuf("client/status-details", statuses, status_details),
    protobuf("client/plain-send", || vec![hot::send(&[0xa5; 16], &"0f".repeat(16), "what is said")], plain_send),
    protobuf("client/plain-ack", || vec![hot::ack(RequestId::from_bytes([0xa5; 16]), ROOM, 7, 8_000_009)], plain_ack),
];

const ROOM: RoomId = RoomId::from_bytes([0x0f; 16]);

pub(super) const fn protobuf(name: &'static str, seeds: fn() -> Vec<Vec<u8>>, check: fn(&[u8]) -> Verdict) -> Target {
    // Two bytes can be an empty message in a list, of some hundred bytes in memory; lists double as they grow.
    Target::new(name, seeds, check).shaped(Shape::Protobuf).allowed(16 << 10, 1_024)
}

/// Unknown fields are passed over, and fields may come in any order: the writer has one form.
pub(super) fn message<M: Message + Default>(input: &[u8]) -> Verdict {
    settles(input, |bytes| M::decode(bytes).map(|message| message.encode_to_vec()))
}

/// What is read without the generated code is read the same by it.
fn plain_send(input: &[u8]) -> Verdict {
    let Some(hot::SendFrame { request, room, text }) = hot::read_send(input) else { return Ok(Seen::Refused) };
    let send = v1::Send { request_id: request.to_string(), room: room.to_string(), text: text.to_owned() };
    same(input, &v1::ConnectRequest { frame: Some(v1::connect_request::Frame::Send(send)) })
}

fn plain_ack(input: &[u8]) -> Verdict {
    let Some(hot::AckFrame { request, room, seq, time }) = hot::read_ack(input) else { return Ok(Seen::Refused) };
    let ack = v1::Ack { request_id: request.to_string(), room: room.to_owned(), seq, time: Some(time) };
    same(input, &v1::ConnectResponse { frame: Some(v1::connect_response::Frame::Ack(ack)) })
}

fn same<M: Message + Default + PartialEq + std::fmt::Debug>(input: &[u8], read: &M) -> Verdict {
    let generated = M::decode(input);
    demand(generated.as_ref().is_ok_and(|generated| generated == read), || format!("{read:?}, not {generated:?}"))?;
    Ok(Seen::Taken)
}

fn statuses() -> Vec<Vec<u8>> {
    let mut statuses = samples("google.rpc.Status");
    let unknown = status::unknown_outcome("the leader went away");
    let refused = status::with_metadata(Code::NotFound, "ROOM_UNKNOWN", "no such room", [("room", "00".to_owned())]);
    statuses.extend([unknown, refused].map(|status| status.encode_to_vec()));
    statuses
}

/// What the details of a gRPC status are taken for: a code and a message there are in any case, and all survives another
/// hop.
fn status_details(input: &[u8]) -> Verdict {
    let carried = tonic::Status::with_details(Code::Unavailable, "gone", input.to_vec().into());
    let read = status::from_tonic(&carried);
    demand((read.code, read.message.as_str()) == (Code::Unavailable as i32, "gone"), || format!("{read:?}"))?;
    demand(status::is_unknown_outcome(&read), || "the code decides what the outcome is".to_owned())?;
    let again = status::from_tonic(&status::to_tonic(&read));
    demand(again == read, || format!("{read:?} becomes {again:?}"))?;
    // Whatever is in them, asking is safe.
    let asked = (status::reason_of(&read), status::retry_after(&read), status::refusal_of(&read));
    let found = read.details.iter().any(any::is::<rpc::ErrorInfo>);
    demand(found || asked.0.is_none(), || format!("a reason {:?} without an ErrorInfo", asked.0))?;
    match rpc::Status::decode(input) {
        Ok(_) => Ok(Seen::Taken),
        Err(error) => refused(input, &error),
    }
}
