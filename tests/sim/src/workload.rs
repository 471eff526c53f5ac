//! What the simulated people do: create rooms, join each other's, send with retries through any router, follow, reconnect.

use std::time::Duration;

use futures_util::future::join_all;
use hansard_client::{
    Client, ClientError, Config, Item, RequestId, Start,
    v1::{CreateRoomRequest, CreateRoomResponse, JoinRoomRequest, JoinRoomResponse, Visibility},
};
use rand::{Rng, rngs::StdRng};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    cluster::{ROUTERS, router_url},
    history::{History, Outcome, Seen},
    net::connector,
    seed::Plan,
    tokens::token,
    trace::note,
};

/// People.
pub(crate) const CLIENTS: usize = 4;
/// The first of them create a room each.
pub(crate) const ROOMS: usize = 3;

/// A client's host name.
pub(crate) fn client_name(index: usize) -> String {
    format!("client{index}")
}

/// One person, from the first connection to the last event.
pub(crate) async fn run(index: usize, plan_seed: u64, history: History) -> turmoil::Result {
    let plan = Plan::new(plan_seed);
    let mut rng = plan.rng("client", index);
    let mut client = connect(index, &mut rng).await?;
    let rooms = enter(index, &client, &history).await?;
    let follows = rooms.iter().map(|room| follow(index, room, plan.rng(room, index), &history));
    let sends = async {
        for number in 0..plan.sends {
            sleep(Duration::from_millis(rng.random_range(20..700))).await;
            if rng.random_ratio(1, 15) {
                client = connect(index, &mut rng).await?;
            }
            let room = &rooms[rng.random_range(0..rooms.len())];
            send(&client, room, format!("{index}.{number}"), &mut rng, &history).await?;
        }
        history.with(|inner| inner.senders_done += 1);
        note("has sent all");
        Ok(())
    };
    let (sent, followed): (turmoil::Result, Vec<turmoil::Result>) = tokio::join!(sends, join_all(follows));
    followed.into_iter().collect::<turmoil::Result>()?;
    sent
}

/// Connects, to any of the routers first; for as long as it takes.
async fn connect(index: usize, rng: &mut StdRng) -> Result<Client, ClientError> {
    let mut routers: Vec<String> = (0..ROUTERS).map(router_url).collect();
    routers.rotate_left(rng.random_range(0..ROUTERS));
    let config = Config { connector: Some(connector()), ..Config::new(routers, token(&format!("person{index}"))) };
    loop {
        match Client::connect(config.clone()).await {
            Err(ClientError::Unreachable(why)) => note(&format!("cannot connect: {why}")),
            other => return other,
        }
    }
}

/// Creates a room if it is this person's to do so, and joins those of the others.
async fn enter(index: usize, client: &Client, history: &History) -> Result<Vec<String>, ClientError> {
    if index < ROOMS {
        let request = CreateRoomRequest {
            request_id: RequestId::fresh().to_string(),
            name: format!("room {index}"),
            topic: String::new(),
            visibility: Visibility::Public.into(),
        };
        let created: CreateRoomResponse = loop {
            match client.call("hansard.v1.RoomService/CreateRoom", &request, Some(&request.request_id)).await {
                Err(ClientError::Unknown { .. }) => {}
                other => break other?,
            }
        };
        let room = created.room.expect("a created room has an id").id;
        note(&format!("created room {room}"));
        history.with(|inner| inner.rooms.insert(index, room));
    }
    let rooms: Vec<(usize, String)> = loop {
        let rooms = history.with(|inner| inner.rooms.clone());
        if rooms.len() == ROOMS {
            break rooms.into_iter().collect();
        }
        sleep(Duration::from_millis(50)).await;
    };
    for (_, room) in rooms.iter().filter(|(creator, _)| *creator != index) {
        let request = JoinRoomRequest { request_id: RequestId::fresh().to_string(), room: room.clone() };
        let joined: Result<JoinRoomResponse, _> = loop {
            match client.call("hansard.v1.RoomService/JoinRoom", &request, Some(&request.request_id)).await {
                Err(ClientError::Unknown { .. }) => {}
                other => break other,
            }
        };
        joined?;
    }
    Ok(rooms.into_iter().map(|(_, room)| room).collect())
}

/// Says something. Most people insist until they know; some give up soon and never learn.
async fn send(
    client: &Client,
    room: &str,
    text: String,
    rng: &mut StdRng,
    history: &History,
) -> Result<(), ClientError> {
    let id = RequestId::fresh();
    let patient = !rng.random_ratio(1, 8);
    let at = history.begin(id.to_string(), room.to_owned(), text.clone());
    note(&format!("send {text} to {room} as {id}"));
    let outcome = loop {
        let patience =
            Duration::from_millis(if patient { rng.random_range(500..8_000) } else { rng.random_range(5..300) });
        match client.send_with(room, text.clone(), id, Instant::now() + patience).await {
            Ok(receipt) => break Outcome::Acked(receipt.seq),
            Err(ClientError::Unknown { .. }) if patient => {}
            Err(ClientError::Unknown { .. }) => break Outcome::Unknown,
            Err(ClientError::Refused(detail)) => break Outcome::Refused(detail.reason.clone()),
            Err(error) => return Err(error),
        }
    };
    note(&format!("sent {text}: {outcome:?}"));
    history.end(at, outcome);
    Ok(())
}

/// Follows a room over many sessions, until its end is known and reached.
async fn follow(index: usize, room: &str, mut rng: StdRng, history: &History) -> turmoil::Result {
    loop {
        let client = connect(index, &mut rng).await?;
        let until = Instant::now() + Duration::from_millis(rng.random_range(2_000..20_000));
        let mut follow = client.follow(room, Start::After(history.cursor(index, room)))?;
        while Instant::now() < until {
            let head = history.with(|inner| inner.heads.as_ref().and_then(|heads| heads.get(room).copied()));
            if head.is_some_and(|head| history.cursor(index, room) >= head) {
                note(&format!("has seen all of {room}"));
                return Ok(());
            }
            let Ok(item) = timeout(Duration::from_millis(250), follow.next()).await else { continue };
            let seen = match item {
                Some(Item::Event(event)) => Seen::Event(event.seq, event.text),
                Some(Item::Gap(gap)) => Seen::Missing(gap.from_seq, gap.to_seq),
                Some(Item::Hole { from_seq, to_seq, .. }) => Seen::Missing(from_seq, to_seq),
                Some(Item::Ended(error)) => return Err(error.into()),
                Some(_) => continue,
                None => break,
            };
            note(&format!("sees {room} {seen:?}"));
            history.with(|inner| inner.seen.entry((index, room.to_owned())).or_default().push(seen));
        }
    }
}
