//! Before the faults: rooms are created, and everybody goes in.

use std::time::Duration;

use hansard_client::{
    ClientError, RequestId,
    v1::{CreateRoomRequest, CreateRoomResponse, Visibility},
};
use tokio::time::sleep;

use super::Person;
use crate::{
    history::{Deed, Inner},
    layout::{CLIENTS, PRIVATE_ROOM, ROOMS},
    trace::note,
};

impl Person {
    /// Creates a room if it is this person's to do so, and goes into those of the others.
    pub(super) async fn enter(&mut self) -> Result<(), ClientError> {
        let (index, person) = (self.index, self.client.person());
        self.history.with(|inner| inner.people.insert(index, person));
        if index < ROOMS {
            let room = self.create().await?;
            note(&format!("created room {room}"));
            self.history.with(|inner| inner.rooms.insert(index, room));
        }
        self.until(|inner| inner.rooms.len() == ROOMS && inner.people.len() == CLIENTS).await;
        self.rooms = self.history.with(|inner| inner.rooms.values().cloned().collect());
        for (at, room) in self.rooms.clone().into_iter().enumerate().filter(|(at, _)| *at != index) {
            if at != PRIVATE_ROOM {
                self.insist(&room, Deed::Join).await?;
            }
        }
        if index == PRIVATE_ROOM {
            let room = self.rooms[PRIVATE_ROOM].clone();
            for guest in (0..CLIENTS).filter(|guest| *guest != index) {
                self.insist(&room, Deed::Invite(guest)).await?;
            }
        }
        self.history.with(|inner| inner.entered += 1);
        self.until(|inner| inner.entered == CLIENTS).await;
        Ok(())
    }

    async fn create(&self) -> Result<String, ClientError> {
        let visibility = if self.index == PRIVATE_ROOM { Visibility::Private } else { Visibility::Public };
        let request = CreateRoomRequest {
            request_id: RequestId::fresh().to_string(),
            name: format!("room {}", self.index),
            topic: String::new(),
            visibility: visibility.into(),
        };
        let created: CreateRoomResponse = loop {
            match self.client.call("hansard.v1.RoomService/CreateRoom", &request, Some(&request.request_id)).await {
                Err(ClientError::Unknown { .. }) => {}
                other => break other?,
            }
        };
        Ok(created.room.expect("a created room has an id").id)
    }

    async fn until(&self, is: impl Fn(&Inner) -> bool) {
        while !self.history.with(|inner| is(inner)) {
            sleep(Duration::from_millis(50)).await;
        }
    }
}
