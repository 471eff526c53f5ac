//! `RoomService`.

use bytes::Bytes;
use hansard_domain::{Action, Content, Kind, PersonId, RequestId, Role, RoomId, Visibility};
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::cluster::v1::{Claim, ReadPeople, ReadRoom, ScanMembers, ScanRooms};
use hansard_proto::convert::bytes;
use hansard_proto::{status, v1};
use tonic::Code;

use super::page::{self, Place};
use super::{Cx, people};
use crate::directory::Target;
use crate::proposal::Proposal;
use crate::refuse::{Fault, field, wrong_answer};
use crate::{convert, fields, proposals, reason};

/// What a claimed request id is used for, besides kinds of entries: a direct room.
const CLAIM_DIRECT: u32 = 1_001;

pub(super) async fn create(cx: &Cx<'_>, asked: v1::CreateRoomRequest) -> Result<v1::CreateRoomResponse, Fault> {
    let request = fields::request(&asked.request_id)?;
    let name = fields::name(&asked.name)?.to_owned();
    let topic = fields::topic(&asked.topic)?;
    let (visibility, said) = match v1::Visibility::try_from(asked.visibility) {
        Ok(v1::Visibility::Public) => (Visibility::Public, "public"),
        Ok(v1::Visibility::Private | v1::Visibility::Unspecified) => (Visibility::Private, "private"),
        _ => {
            let wanted =
                "`visibility` must be VISIBILITY_PUBLIC or VISIBILITY_PRIVATE; for two people there is OpenDirectRoom";
            return Err(field(reason::BAD_VISIBILITY, "visibility", wanted));
        }
    };
    let topic = (!topic.is_empty()).then(|| topic.to_owned());
    let content = Content { name: Some(name), topic, ..Content::default() };
    let claimed = Content { text: Some(said.to_owned()), ..content.clone() };
    claim(cx, request, Kind::RoomCreated.number().into(), claimed).await?;
    let cluster = cx.edge.directory.cluster().map_err(Fault::There)?;
    let room = RoomId::derive_room(cluster, cx.who.person, request);
    let action = Action::CreateRoom { room, visibility, peer: None };
    cx.commit(Proposal { request, room, action, content: content.encode() }).await?;
    Ok(v1::CreateRoomResponse { room: view(cx, room).await? })
}

pub(super) async fn open_direct(
    cx: &Cx<'_>,
    asked: v1::OpenDirectRoomRequest,
) -> Result<v1::OpenDirectRoomResponse, Fault> {
    let request = fields::request(&asked.request_id)?;
    let peer = fields::person("person", &asked.person)?;
    if peer == cx.who.person {
        return Err(field(reason::DIRECT_WITH_SELF, "person", "a direct room is for two people; `person` is you"));
    }
    exists(cx, peer).await?;
    claim(cx, request, CLAIM_DIRECT, Content::text(peer.to_string())).await?;
    let cluster = cx.edge.directory.cluster().map_err(Fault::There)?;
    let room = RoomId::derive_direct(cluster, cx.who.person, peer);
    let action = Action::CreateRoom { room, visibility: Visibility::Direct, peer: Some(peer) };
    cx.commit(Proposal { request, room, action, content: Bytes::new() }).await?;
    Ok(v1::OpenDirectRoomResponse { room: view(cx, room).await? })
}

pub(super) async fn get(cx: &Cx<'_>, asked: v1::GetRoomRequest) -> Result<v1::GetRoomResponse, Fault> {
    let room = fields::room(&asked.room)?;
    Ok(v1::GetRoomResponse { room: view(cx, room).await? })
}

pub(super) async fn list(cx: &Cx<'_>, asked: v1::ListRoomsRequest) -> Result<v1::ListRoomsResponse, Fault> {
    let limit = fields::page_size(asked.page_size)?;
    let start = Place::read(&asked.page_token)?;
    let public = match v1::RoomFilter::try_from(asked.filter) {
        Ok(filter) => filter == v1::RoomFilter::Public,
        Err(_) => return Err(field(reason::INVALID_ARGUMENT, "filter", "`filter` is none of the known ones")),
    };
    let ask = |place: Place| async move {
        let call = Call::ScanRooms(ScanRooms { public, after: place.after_bytes(), limit });
        match cx.ask(Target::Ordinal(place.shard), call).await? {
            Outcome::Rooms(page) => Ok((page.rooms, page.more)),
            _ => Err(wrong_answer()),
        }
    };
    let id = |room: &hansard_proto::cluster::v1::RoomView| convert::room(&room.room).unwrap_or_default();
    let (rooms, next_page_token) = page::collect(start, cx.edge.directory.shards(), limit as usize, ask, id).await?;
    Ok(v1::ListRoomsResponse { rooms: rooms.iter().map(convert::room_view).collect(), next_page_token })
}

pub(super) async fn join(cx: &Cx<'_>, asked: v1::JoinRoomRequest) -> Result<v1::JoinRoomResponse, Fault> {
    let commit = change(cx, &asked.request_id, &asked.room, |room| Action::Join { room }, Bytes::new()).await?;
    Ok(v1::JoinRoomResponse { commit })
}

pub(super) async fn leave(cx: &Cx<'_>, asked: v1::LeaveRoomRequest) -> Result<v1::LeaveRoomResponse, Fault> {
    let commit = change(cx, &asked.request_id, &asked.room, |room| Action::Leave { room }, Bytes::new()).await?;
    Ok(v1::LeaveRoomResponse { commit })
}

pub(super) async fn invite(cx: &Cx<'_>, asked: v1::InviteMemberRequest) -> Result<v1::InviteMemberResponse, Fault> {
    let person = fields::person("person", &asked.person)?;
    let role = fields::role(asked.role, Some(Role::Member))?;
    exists(cx, person).await?;
    let action = |room| Action::Invite { room, person, role };
    let commit = change(cx, &asked.request_id, &asked.room, action, Bytes::new()).await?;
    Ok(v1::InviteMemberResponse { commit })
}

pub(super) async fn remove(cx: &Cx<'_>, asked: v1::RemoveMemberRequest) -> Result<v1::RemoveMemberResponse, Fault> {
    let person = fields::person("person", &asked.person)?;
    let content = proposals::because(&asked.reason)?;
    let commit = change(cx, &asked.request_id, &asked.room, |room| Action::Remove { room, person }, content).await?;
    Ok(v1::RemoveMemberResponse { commit })
}

pub(super) async fn set_role(cx: &Cx<'_>, asked: v1::SetMemberRoleRequest) -> Result<v1::SetMemberRoleResponse, Fault> {
    let person = fields::person("person", &asked.person)?;
    let role = fields::role(asked.role, None)?;
    let action = |room| Action::SetRole { room, person, role };
    let commit = change(cx, &asked.request_id, &asked.room, action, Bytes::new()).await?;
    Ok(v1::SetMemberRoleResponse { commit })
}

pub(super) async fn set_topic(cx: &Cx<'_>, asked: v1::SetRoomTopicRequest) -> Result<v1::SetRoomTopicResponse, Fault> {
    let content = Content { topic: Some(fields::topic(&asked.topic)?.to_owned()), ..Content::default() }.encode();
    let commit = change(cx, &asked.request_id, &asked.room, |room| Action::SetTopic { room }, content).await?;
    Ok(v1::SetRoomTopicResponse { commit })
}

pub(super) async fn list_members(cx: &Cx<'_>, asked: v1::ListMembersRequest) -> Result<v1::ListMembersResponse, Fault> {
    let room = fields::room(&asked.room)?;
    let limit = fields::page_size(asked.page_size)?;
    let after = people::after(&asked.page_token)?;
    let call = Call::ScanMembers(ScanMembers { room: bytes(room), after, limit });
    let Outcome::Members(page) = cx.ask(Target::Room(room), call).await? else { return Err(wrong_answer()) };
    let members = page.members.iter().map(|member| v1::Member {
        person: convert::person_text(&member.person),
        role: i32::try_from(member.role).unwrap_or(0),
        since_seq: member.since_seq,
    });
    let members: Vec<v1::Member> = members.collect();
    let last = members.last().filter(|_| page.more).map(|member| member.person.clone());
    Ok(v1::ListMembersResponse { next_page_token: last.unwrap_or_default(), members })
}

async fn change(
    cx: &Cx<'_>,
    request: &str,
    room: &str,
    action: impl FnOnce(RoomId) -> Action,
    content: Bytes,
) -> Result<Option<v1::Commit>, Fault> {
    let (request, room) = (fields::request(request)?, fields::room(room)?);
    cx.commit(Proposal { request, room, action: action(room), content }).await
}

/// Takes the request id in the caller's own scope: from now on it stands for this, through every router.
async fn claim(cx: &Cx<'_>, request: RequestId, method: u32, content: Content) -> Result<(), Fault> {
    let call = Call::Claim(Claim { request_id: bytes(request), method, content: content.encode() });
    match cx.ask(Target::Home(cx.who.person), call).await? {
        Outcome::Proposed(_) => Ok(()),
        _ => Err(wrong_answer()),
    }
}

async fn exists(cx: &Cx<'_>, person: PersonId) -> Result<(), Fault> {
    let call = Call::ReadPeople(ReadPeople { people: vec![bytes(person)] });
    match cx.ask(Target::Meta, call).await? {
        Outcome::People(page) if !page.people.is_empty() => Ok(()),
        Outcome::People(_) => {
            let text = "there is no such person; ResolvePerson gives an id to a subject";
            let metadata = [("field", "person".to_owned())];
            Err(Fault::Here(status::with_metadata(Code::NotFound, reason::PERSON_UNKNOWN, text, metadata)))
        }
        _ => Err(wrong_answer()),
    }
}

async fn view(cx: &Cx<'_>, room: RoomId) -> Result<Option<v1::Room>, Fault> {
    match cx.ask(Target::Room(room), Call::ReadRoom(ReadRoom { room: bytes(room) })).await? {
        Outcome::Room(view) => Ok(Some(convert::room_view(&view))),
        _ => Err(wrong_answer()),
    }
}
