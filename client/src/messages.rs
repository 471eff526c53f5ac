//! Calls about messages and history.

use std::time::Duration;

use hansard_proto::v1::{
    Commit, EditMessageRequest, EditMessageResponse, ListHistoryRequest, ListHistoryResponse, ListUnreadRequest,
    ListUnreadResponse, MarkReadRequest, MarkReadResponse, RedactMessageRequest, RedactMessageResponse,
};

use crate::{Client, ClientError, rooms::required};

/// The longest that the wire has.
const FOR_EVER: prost_types::Duration = prost_types::Duration { seconds: i64::MAX, nanos: 0 };

impl Client {
    /// A page of a room's events and gaps: with `before_seq` the newest below it, else (0) the oldest above `after_seq`.
    pub async fn history(
        &self,
        room: &str,
        after_seq: u64,
        before_seq: u64,
        page_size: i32,
    ) -> Result<ListHistoryResponse, ClientError> {
        let request =
            ListHistoryRequest { room: room.to_owned(), after_seq, before_seq, page_size, max_staleness: None };
        self.list_history(&request).await
    }

    /// A page as [`Client::history`] gives it, or as it was at most `max_staleness` ago, from a replica near the router: `staleness` in the
    /// answer says how old it is at most. At most 60 s.
    pub async fn history_within(
        &self,
        max_staleness: Duration,
        room: &str,
        after_seq: u64,
        before_seq: u64,
        page_size: i32,
    ) -> Result<ListHistoryResponse, ClientError> {
        // What is no duration on the wire is far more than may be asked for.
        let max_staleness = Some(max_staleness.try_into().unwrap_or(FOR_EVER));
        let request = ListHistoryRequest { room: room.to_owned(), after_seq, before_seq, page_size, max_staleness };
        self.list_history(&request).await
    }

    async fn list_history(&self, request: &ListHistoryRequest) -> Result<ListHistoryResponse, ClientError> {
        self.call("hansard.v1.MessageService/ListHistory", request, None).await
    }

    /// Puts a new text in the place of an own message.
    pub async fn edit(&self, room: &str, target_seq: u64, text: &str) -> Result<Commit, ClientError> {
        let request = EditMessageRequest {
            request_id: self.request_id().to_string(),
            room: room.to_owned(),
            target_seq,
            text: text.to_owned(),
        };
        let response: EditMessageResponse =
            self.call("hansard.v1.MessageService/EditMessage", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// Hides a message, for a reason that goes into the record.
    pub async fn redact(&self, room: &str, target_seq: u64, reason: &str) -> Result<Commit, ClientError> {
        let request = RedactMessageRequest {
            request_id: self.request_id().to_string(),
            room: room.to_owned(),
            target_seq,
            reason: reason.to_owned(),
        };
        let response: RedactMessageResponse =
            self.call("hansard.v1.MessageService/RedactMessage", &request, Some(&request.request_id)).await?;
        required(response.commit, "commit")
    }

    /// Moves this person's read mark, which never moves back; returns where it is.
    pub async fn mark_read(&self, room: &str, seq: u64) -> Result<u64, ClientError> {
        let request = MarkReadRequest { request_id: self.request_id().to_string(), room: room.to_owned(), seq };
        let response: MarkReadResponse =
            self.call("hansard.v1.MessageService/MarkRead", &request, Some(&request.request_id)).await?;
        Ok(response.seq)
    }

    /// What is unread: in these rooms, or (none given) a page of all of this person's.
    pub async fn unread(
        &self,
        rooms: &[String],
        page_size: i32,
        page_token: &str,
    ) -> Result<ListUnreadResponse, ClientError> {
        let request = ListUnreadRequest { rooms: rooms.to_vec(), page_size, page_token: page_token.to_owned() };
        self.call("hansard.v1.MessageService/ListUnread", &request, None).await
    }
}
