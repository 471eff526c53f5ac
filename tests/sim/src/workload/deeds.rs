//! Deeds: made with one request id until their outcome is known, through any router.

use futures_util::future::join_all;
use hansard_client::{
    Client, ClientError, Message, Name, RequestId,
    v1::{
        Commit, EditMessageRequest, EditMessageResponse, InviteMemberRequest, InviteMemberResponse, JoinRoomRequest,
        JoinRoomResponse, LeaveRoomRequest, LeaveRoomResponse, RedactMessageRequest, RedactMessageResponse,
        RemoveMemberRequest, RemoveMemberResponse, Role,
    },
};
use rand::{Rng, seq::IndexedRandom};
use tokio::time::{Instant, timeout_at};

use super::{Person, judge};
use crate::{
    history::{Deed, Done, History, Outcome, now},
    trace::note,
};

impl Person {
    /// Does this once. Most people insist until they know the outcome; some give up soon and never learn.
    pub(super) async fn act(&mut self, room: &str, deed: Deed, text: String) -> Result<(), ClientError> {
        let id = RequestId::fresh();
        let patient = !self.rng.random_ratio(1, 8);
        self.settle(room, deed, text, id, None, patient).await
    }

    /// Insists on this until it is done, or refused.
    pub(super) async fn insist(&mut self, room: &str, deed: Deed) -> Result<(), ClientError> {
        self.settle(room, deed, String::new(), RequestId::fresh(), None, true).await
    }

    /// Says something again under the id of what was said before: the same, or something else.
    pub(super) async fn again(&mut self, room: &str, text: String) -> Result<(), ClientError> {
        let (mine, here) = (self.index, room.to_owned());
        let known: Vec<(usize, Done)> = self.history.with(|inner| {
            let sends = inner.done.iter().enumerate().filter(|(_, done)| {
                done.client == mine && done.room == here && done.deed == Deed::Send && done.reuses.is_none()
            });
            sends.filter(|(_, done)| done.acked().is_some()).map(|(at, done)| (at, done.clone())).collect()
        });
        let Some((at, first)) = known.choose(&mut self.rng) else {
            return self.act(room, Deed::Send, text).await;
        };
        let text = if self.rng.random() { first.text.clone() } else { text };
        let id: RequestId = first.request.parse().expect("it was one before");
        self.settle(room, Deed::Send, text, id, Some(*at), true).await
    }

    /// Says several things at once.
    pub(super) async fn burst(&mut self, room: &str, text: &str) -> Result<(), ClientError> {
        let until = self.patience(true);
        let sends = ["a", "b", "c"].map(|part| {
            let (text, id) = (format!("{text}{part}"), RequestId::fresh());
            let at = self.begin(room, Deed::Send, text.clone(), id, None);
            let (client, room, history) = (self.client.clone(), room.to_owned(), self.history.clone());
            async move {
                let outcome = judge(attempt(&client, &room, Deed::Send, &text, id, &history, until).await)?;
                finish(&history, at, outcome.unwrap_or(Outcome::Unknown));
                Ok(())
            }
        });
        join_all(sends).await.into_iter().collect()
    }

    async fn settle(
        &mut self,
        room: &str,
        deed: Deed,
        text: String,
        id: RequestId,
        reuses: Option<usize>,
        patient: bool,
    ) -> Result<(), ClientError> {
        let at = self.begin(room, deed, text.clone(), id, reuses);
        let outcome = loop {
            let until = self.patience(patient);
            let answer = attempt(&self.client, room, deed, &text, id, &self.history, until).await;
            match judge(answer)? {
                Some(outcome) => break outcome,
                None if !patient => break Outcome::Unknown,
                // The other router remembers nothing of it: the shard does.
                None if self.rng.random() => self.reconnect().await?,
                None => {}
            }
        };
        finish(&self.history, at, outcome);
        Ok(())
    }

    fn begin(&self, room: &str, deed: Deed, text: String, id: RequestId, reuses: Option<usize>) -> usize {
        note(&format!("{deed:?} {text:?} in {room} as {id}"));
        let (client, request, room) = (self.index, id.to_string(), room.to_owned());
        self.history.begin(Done { client, request, room, deed, text, reuses, begun: now(), ended: None })
    }
}

fn finish(history: &History, at: usize, outcome: Outcome) {
    history.with(|inner| {
        let done = &inner.done[at];
        note(&format!("{:?} {:?} as {}: {outcome:?}", done.deed, done.text, done.request));
    });
    history.end(at, outcome);
}

/// One attempt, until a time.
async fn attempt(
    client: &Client,
    room: &str,
    deed: Deed,
    text: &str,
    id: RequestId,
    history: &History,
    until: Instant,
) -> Result<u64, ClientError> {
    let (request_id, room, text) = (id.to_string(), room.to_owned(), text.to_owned());
    let person = |client: usize| history.with(|inner| inner.people[&client].clone());
    macro_rules! call {
        ($method:literal, $response:ty, $request:expr) => {{
            let request = $request;
            let answer: Result<$response, _> =
                call(client, concat!("hansard.v1.", $method), &request, &id, until).await;
            answer.map(|response| response.commit)
        }};
    }
    let commit: Option<Commit> = match deed {
        Deed::Send => return client.send_with(&room, text, id, until).await.map(|receipt| receipt.seq),
        Deed::Edit(target_seq) => {
            let request = EditMessageRequest { request_id, room, target_seq, text };
            call!("MessageService/EditMessage", EditMessageResponse, request)
        }
        Deed::Redact(target_seq) => {
            let request = RedactMessageRequest { request_id, room, target_seq, reason: text };
            call!("MessageService/RedactMessage", RedactMessageResponse, request)
        }
        Deed::Join => call!("RoomService/JoinRoom", JoinRoomResponse, JoinRoomRequest { request_id, room }),
        Deed::Leave => call!("RoomService/LeaveRoom", LeaveRoomResponse, LeaveRoomRequest { request_id, room }),
        Deed::Invite(guest) => {
            let request = InviteMemberRequest { request_id, room, person: person(guest), role: Role::Member.into() };
            call!("RoomService/InviteMember", InviteMemberResponse, request)
        }
        Deed::Remove(guest) => {
            let request = RemoveMemberRequest { request_id, room, person: person(guest), reason: text };
            call!("RoomService/RemoveMember", RemoveMemberResponse, request)
        }
    }?;
    Ok(commit.expect("a change of a room is committed at a seq").seq)
}

/// A call that is given up at a time.
async fn call<Request: Message + Name, Response: Message + Name + Default>(
    client: &Client,
    method: &str,
    request: &Request,
    id: &RequestId,
    until: Instant,
) -> Result<Response, ClientError> {
    let id = id.to_string();
    let unknown = |_| ClientError::Unknown { detail: Box::default(), request_id: None };
    timeout_at(until, client.call(method, request, Some(&id))).await.map_err(unknown)?
}
