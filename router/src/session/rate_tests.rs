//! How fast a client may go.

use std::time::Duration;

use hansard_domain::RoomId;
use hansard_domain::limits::MAX_FOLLOWS;
use hansard_proto::status::retry_after;
use hansard_proto::v1::connect_request::Frame as Asked;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{Cursor, Follow, Hello, Ping, Unfollow};
use tokio::time::Instant;

use super::tests::{NoRings, ROOM, admission, hello, opened, refused, say, send_frame, sent};
use super::*;

#[test]
fn those_who_are_too_fast_are_told_when_to_come_back() {
    let now = Instant::now();
    let mut session = Session::new(now, &Rates { session_per_second: 10, session_burst: 2, ..Rates::default() });
    say(&mut session, now, hello());
    session.on_admitted(now, Ok(admission(now)), &mut Vec::new());
    for _ in 0..2 {
        assert!(matches!(sent(&say(&mut session, now, Asked::Ping(Ping::default())))[..], [Frame::Pong(_)]));
    }
    let out = say(&mut session, now, send_frame(&ROOM.to_string(), "x"));
    assert_eq!(refused(&out), "RATE_LIMITED");
    assert!(matches!(&out[0], Effect::Refused(status) if retry_after(status).is_some()));
}

#[test]
fn follows_count_as_several_frames_and_a_burst_has_room_for_all_that_one_may_have() {
    let follow = || Asked::Follow(Follow { room: ROOM.to_string(), ..Follow::default() });
    let (mut session, now, _) = opened(vec![]);
    let rates = Rates::default();
    let at_once = (rates.session_burst / FOLLOW_COST) as usize;
    assert!(at_once > MAX_FOLLOWS && rates.person_burst >= rates.session_burst);
    for _ in 0..at_once {
        assert!(say(&mut session, now, follow()).is_empty());
    }
    assert_eq!(refused(&say(&mut session, now, follow())), "RATE_LIMITED");
}

#[test]
fn cursors_of_a_hello_cost_what_follows_cost_and_start_as_they_can_be_paid() {
    let now = Instant::now();
    let rates = Rates { session_per_second: 100, session_burst: 5 * FOLLOW_COST, ..Rates::default() };
    let mut session = Session::new(now, &rates);
    let room = |number: u8| RoomId::from_bytes([number; 16]);
    let cursor = |number: u8| Cursor { room: room(number).to_string(), after_seq: number.into() };
    let cursors = (1..=20).map(cursor).collect();
    say(&mut session, now, Asked::Hello(Hello { token: "t".into(), cursors, ..Hello::default() }));
    let mut out = Vec::new();
    session.on_admitted(now, Ok(admission(now)), &mut out);
    assert!(matches!(sent(&out)[..], [Frame::Welcome(_)]), "nothing is refused: {out:?}");
    let followed = |session: &Session| session.follows().unwrap().rooms().count();
    assert_eq!(followed(&session), 5, "what a burst pays for");
    assert_eq!(refused(&say(&mut session, now, send_frame(&ROOM.to_string(), "x"))), "RATE_LIMITED");

    // What the client says itself holds, whenever the cursor's turn would have come.
    let unfollow = Asked::Unfollow(Unfollow { room: room(20).to_string() });
    let said = say(&mut session, now + Duration::from_millis(20), unfollow);
    assert!(matches!(sent(&said)[..], [Frame::Unfollowed(_)]), "{said:?}");
    let follow = Asked::Follow(Follow { room: room(19).to_string(), after_seq: 7, from_now: false });
    assert!(say(&mut session, now + Duration::from_millis(200), follow).is_empty());

    let mut at = now + Duration::from_millis(200);
    while followed(&session) < 19 {
        at = at.max(session.next_tick().unwrap());
        assert!(at < now + Duration::from_secs(3), "those that were owed have started");
        session.on_tick(at, &mut Vec::new());
    }
    assert!(at > now + Duration::from_secs(1), "not faster than a client may follow");
    assert_eq!(session.next_tick(), Some(now + Duration::from_millis(200) + IDLE_TIMEOUT), "no more is owed");
    let mut asked = Vec::new();
    loop {
        let mut out = Vec::new();
        session.pump(100, &NoRings, &mut out);
        let pages = out.iter().filter_map(|effect| if let Effect::Page(page) = effect { Some(*page) } else { None });
        let pages: Vec<PageRequest> = pages.collect();
        if pages.is_empty() {
            break;
        }
        for page in pages {
            asked.push((page.room, page.after));
            let answer = Page { items: vec![], head: page.after, ended: false };
            session.on_page(at, page, Ok(answer), &mut Vec::new());
        }
    }
    let mut wanted: Vec<_> = (1..=18).map(|number| (room(number), u64::from(number))).collect();
    wanted.push((room(19), 7));
    asked.sort_unstable();
    assert_eq!(asked, wanted);
}
