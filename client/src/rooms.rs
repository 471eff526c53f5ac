//! Calls about rooms and their members.

use hansard_proto::v1::{
    Commit, CreateRoomRequest, CreateRoomResponse, GetRoomRequest, GetRoomResponse, InviteMemberRequest,
    InviteMemberResponse, JoinRoomRequest, JoinRoomResponse, LeaveRoomRequest, LeaveRoomResponse, ListMembersRequest,
    ListMembersResponse, ListRoomsRequest, ListRoomsResponse, OpenDirectRoomRequest, OpenDirectRoomResponse,
    RemoveMemberRequest, RemoveMemberResponse, Role, Room, RoomFilter, SetMemberRoleRequest, SetMemberRoleResponse,
    SetRoomTopicRequest, SetRoomTopicResponse, Visibility,
};

use crate::{Client, ClientError};

/// A field that every server fills in.
pub(crate) fn required<T>(field: Option<T>, name: &str) -> Result<T, ClientError> {
    field.ok_or_else(|| ClientError::Protocol(format!("the answer has no {name}")))
}

impl Client {
    /// Creates a room, public or private. It works at every router when this returns.
    pub async fn create_room(&self, name: &str, topic: &str, visibility: Visibility) -> Result<Room, ClientError> {
        let request = CreateRoomRequest {
            request_id: self.request_id().to_string(),
            name: name.to_owned(),
            topic: topic.to_owned(),
            visibility: visibility.into(),
        };
        let response: CreateRoomResponse =
            self.call("hansard.v1.RoomService/CreateRoom", &request, Some(&request.request_id)).await?;
        required(response.room, "room")
    }

    /// The room of this person and another; the same one whoever asks, and however often.
    pub async fn open_direct(&self, person: &str) -> Result<Room, ClientError> {
        let request = OpenDirectRoomRequest { request_id: self.request_id().to_string(), person: person.to_owned() };
        let response: OpenDirectRoomResponse =
            self.call("hansard.v1.RoomService/OpenDirectRoom", &request, Some(&request.request_id)).await?;
        required(response.room, "room")
    }

    /// A room that this person is in, or a public one.
    pub async fn room(&self, room: &str) -> Result<Room, ClientError> {
        let request = GetRoomRequest { room: room.to_owned() };
        let response: GetRoomResponse = self.call("hansard.v1.RoomService/GetRoom", &request, None).await?;
        required(response.room, "room")
    }

    /// A page of rooms; `page_token` is empty for the first.
    pub async fn list_rooms(
        &self,
        filter: RoomFilter,
        page_size: i32,
        page_token: &str,
    ) -> Result<ListRoomsResponse, ClientError> {
        let request = ListRoomsRequest { filter: filter.into(), page_size, page_token: page_token.to_owned() };
        self.call("hansard.v1.RoomService/ListRooms", &request, None).await
    }

    /// Enters a public room, or one that this person is invited to.
    pub async fn join(&self, room: &str) -> Result<Commit, ClientError> {
        let request = JoinRoomRequest { request_id: self.request_id().to_string(), room: room.to_owned() };
        let response: JoinRoomResponse =
            self.call("hansard.v1.RoomService/JoinRoom", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// Leaves a room.
    pub async fn leave(&self, room: &str) -> Result<Commit, ClientError> {
        let request = LeaveRoomRequest { request_id: self.request_id().to_string(), room: room.to_owned() };
        let response: LeaveRoomResponse =
            self.call("hansard.v1.RoomService/LeaveRoom", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// Makes somebody a member at once.
    pub async fn invite(&self, room: &str, person: &str, role: Role) -> Result<Commit, ClientError> {
        let request = InviteMemberRequest {
            request_id: self.request_id().to_string(),
            room: room.to_owned(),
            person: person.to_owned(),
            role: role.into(),
        };
        let response: InviteMemberResponse =
            self.call("hansard.v1.RoomService/InviteMember", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// Removes a member, for a reason that goes into the record.
    pub async fn remove(&self, room: &str, person: &str, reason: &str) -> Result<Commit, ClientError> {
        let request = RemoveMemberRequest {
            request_id: self.request_id().to_string(),
            room: room.to_owned(),
            person: person.to_owned(),
            reason: reason.to_owned(),
        };
        let response: RemoveMemberResponse =
            self.call("hansard.v1.RoomService/RemoveMember", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// Changes a member's role.
    pub async fn set_role(&self, room: &str, person: &str, role: Role) -> Result<Commit, ClientError> {
        let request = SetMemberRoleRequest {
            request_id: self.request_id().to_string(),
            room: room.to_owned(),
            person: person.to_owned(),
            role: role.into(),
        };
        let response: SetMemberRoleResponse =
            self.call("hansard.v1.RoomService/SetMemberRole", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// Changes a room's topic.
    pub async fn set_topic(&self, room: &str, topic: &str) -> Result<Commit, ClientError> {
        let request = SetRoomTopicRequest {
            request_id: self.request_id().to_string(),
            room: room.to_owned(),
            topic: topic.to_owned(),
        };
        let response: SetRoomTopicResponse =
            self.call("hansard.v1.RoomService/SetRoomTopic", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// A page of a room's members; `page_token` is empty for the first.
    pub async fn members(
        &self,
        room: &str,
        page_size: i32,
        page_token: &str,
    ) -> Result<ListMembersResponse, ClientError> {
        let request = ListMembersRequest { room: room.to_owned(), page_size, page_token: page_token.to_owned() };
        self.call("hansard.v1.RoomService/ListMembers", &request, None).await
    }
}
