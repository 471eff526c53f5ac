//! What the simulated people do: enter rooms, speak, edit, redact, come and go, read back, follow, and reconnect at any
//! router.

mod deeds;
mod entering;
mod following;
mod reading;

use std::time::Duration;

use futures_util::future::join_all;
use hansard_client::{Client, ClientError, Config};
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use tokio::time::{Instant, sleep};

use crate::{
    history::{Deed, History, Outcome},
    layout::{PRIVATE_ROOM, ROOMS, ROUTERS, router_url, stays},
    net::connector,
    seed::Plan,
    tokens::token,
    trace::note,
};

/// One person.
pub(crate) struct Person {
    /// The client's number.
    pub(crate) index: usize,
    client: Client,
    rng: StdRng,
    rooms: Vec<String>,
    history: History,
}

/// One person, from the first connection to the last event.
pub(crate) async fn run(index: usize, seed: u64, history: History) -> turmoil::Result {
    let plan = Plan::new(seed);
    let mut rng = plan.rng("client", index);
    let client = connect(index, &mut rng).await?;
    let mut person = Person { index, client, rng, rooms: Vec::new(), history: history.clone() };
    person.enter().await?;
    let follow = |room: &String| following::follow(index, room.clone(), plan.rng(room, index), history.clone());
    let follows: Vec<_> = person.rooms.iter().map(follow).collect();
    let deeds = async {
        for number in 0..plan.deeds {
            sleep(Duration::from_millis(person.rng.random_range(20..700))).await;
            if person.rng.random_ratio(1, 15) {
                person.reconnect().await?;
            }
            person.one(number).await?;
        }
        history.with(|inner| inner.clients_done.insert(index));
        note("has done all");
        Ok(())
    };
    let (done, followed): (turmoil::Result, Vec<turmoil::Result>) = tokio::join!(deeds, join_all(follows));
    followed.into_iter().collect::<turmoil::Result>()?;
    done
}

/// Connects, to any of the routers first; for as long as it takes.
pub(crate) async fn connect(index: usize, rng: &mut StdRng) -> Result<Client, ClientError> {
    connect_as(token(&format!("person{index}"), false), rng).await
}

/// Connects with this token.
pub(crate) async fn connect_as(token: String, rng: &mut StdRng) -> Result<Client, ClientError> {
    let mut routers: Vec<String> = (0..ROUTERS).map(router_url).collect();
    routers.rotate_left(rng.random_range(0..ROUTERS));
    let deadline = Duration::from_secs(8);
    let config = Config { connector: Some(connector()), deadline, ..Config::new(routers, token) };
    loop {
        match Client::connect(config.clone()).await {
            Err(ClientError::Unreachable(why)) => note(&format!("cannot connect: {why}")),
            other => return other,
        }
    }
}

impl Person {
    async fn reconnect(&mut self) -> Result<(), ClientError> {
        self.client = connect(self.index, &mut self.rng).await?;
        Ok(())
    }

    /// Does something.
    async fn one(&mut self, number: usize) -> Result<(), ClientError> {
        let at = self.rng.random_range(0..self.rooms.len());
        let room = self.rooms[at].clone();
        let text = format!("{}.{number}", self.index);
        match self.rng.random_range(0..100) {
            0..12 => self.read(&room).await,
            12..22 => match self.any_message(|inner, mine| inner.client == mine, &room) {
                Some(seq) => self.act(&room, Deed::Edit(seq), text).await,
                None => self.act(&room, Deed::Send, text).await,
            },
            22..28 => match self.any_message(|inner, mine| inner.client == mine || at == mine, &room) {
                Some(seq) => self.act(&room, Deed::Redact(seq), format!("why {text}")).await,
                None => self.act(&room, Deed::Send, text).await,
            },
            28..36 => self.again(&room, text).await,
            36..42 => self.burst(&room, &text).await,
            42..50 if !stays(self.index) => {
                let deed = if self.rng.random() || at == PRIVATE_ROOM { Deed::Leave } else { Deed::Join };
                self.act(&room, deed, String::new()).await
            }
            42..50 if at == self.index => {
                let guest = self.rng.random_range(ROOMS..crate::layout::CLIENTS);
                match self.rng.random() {
                    true => self.act(&room, Deed::Remove(guest), format!("why {text}")).await,
                    false => self.act(&room, Deed::Invite(guest), String::new()).await,
                }
            }
            _ => self.act(&room, Deed::Send, text).await,
        }
    }

    /// The seq of some acked message of this room.
    fn any_message(&mut self, fits: impl Fn(&crate::history::Done, usize) -> bool, room: &str) -> Option<u64> {
        let mine = self.index;
        let seqs: Vec<u64> = self.history.with(|inner| {
            let sends =
                inner.done.iter().filter(|done| done.deed == Deed::Send && done.room == room && fits(done, mine));
            sends.filter_map(|done| done.acked()).collect()
        });
        seqs.choose(&mut self.rng).copied()
    }

    /// How long to wait for an outcome before something else is tried. Some people give up soon.
    fn patience(&mut self, patient: bool) -> Instant {
        let millis = if patient { self.rng.random_range(500..8_000) } else { self.rng.random_range(5..300) };
        Instant::now() + Duration::from_millis(millis)
    }
}

/// What is known after an attempt; `None`: it must be made again.
fn judge(answer: Result<u64, ClientError>) -> Result<Option<Outcome>, ClientError> {
    Ok(match answer {
        Ok(seq) => Some(Outcome::Acked(seq)),
        Err(ClientError::Unknown { .. }) => None,
        Err(ClientError::Refused(detail)) => Some(Outcome::Refused(detail.reason)),
        Err(error) => return Err(error),
    })
}
