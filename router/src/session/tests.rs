use std::sync::{Arc, Mutex};
use std::time::Duration;

use hansard_domain::limits::{MAX_FOLLOWS, MAX_TEXT_BYTES};
use hansard_domain::{PersonId, RequestId, RoomId};
use hansard_proto::status::{code_of, has_reason, reason_of, retry_after};
use hansard_proto::v1::connect_request::Frame as Asked;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::{
    Call, ConnectRequest, Cursor, Event, Follow, Hello, Ping, Send, SetPresence, SetReadMark, SetTyping, Unfollow,
};
use tokio::time::Instant;
use tonic::Code;

use super::*;
use crate::hub::Read;
use crate::limits::{MAX_CALLS, MAX_PAGES, MAX_SENDS};
use crate::principal::Principal;

pub(super) const ROOM: RoomId = RoomId::from_bytes([7; 16]);
const REQUEST: RequestId = RequestId::from_bytes([8; 16]);

pub(super) struct NoRings;

impl Rings for NoRings {
    fn read(&self, _room: RoomId, _cursor: u64, _max: usize) -> Read {
        Read::NotReady
    }
}

pub(super) fn hello() -> Asked {
    Asked::Hello(Hello { token: "t".into(), ..Hello::default() })
}

pub(super) fn admission(now: Instant) -> Admission {
    let principal = Principal {
        person: PersonId::from_bytes([1; 16]),
        epoch: 1,
        operator: false,
        issuer: "i".into(),
        token_id: None,
        issued_s: 0,
        expires_s: 100,
    };
    Admission {
        principal,
        expires: now + Duration::from_secs(100),
        rate: Arc::new(Mutex::new(Bucket::new(1_000_000, 1_000_000, now))),
        session: "s".into(),
        alternates: vec!["http://other".into()],
    }
}

pub(super) fn say(session: &mut Session, now: Instant, frame: Asked) -> Vec<Effect> {
    let mut out = Vec::new();
    session.on_frame(now, Ok(ConnectRequest { frame: Some(frame) }.into()), &mut out);
    out
}

pub(super) fn opened(cursors: Vec<Cursor>) -> (Session, Instant, Vec<Effect>) {
    let now = Instant::now();
    let mut session = Session::new(now, &Rates::default());
    say(&mut session, now, Asked::Hello(Hello { token: "t".into(), cursors, ..Hello::default() }));
    let mut out = Vec::new();
    session.on_admitted(now, Ok(admission(now)), &mut out);
    (session, now, out)
}

pub(super) fn sent(out: &[Effect]) -> Vec<&Frame> {
    out.iter().filter_map(|effect| if let Effect::Send(frame) = effect { Some(frame.as_ref()) } else { None }).collect()
}

#[track_caller]
fn ended(out: &[Effect]) -> (&str, Code, bool) {
    let Some(Effect::End(end)) = out.last() else { panic!("not ended: {out:?}") };
    let status = end.status.as_ref().unwrap();
    let reason = reason_of(status).unwrap();
    (Box::leak(reason.into_boxed_str()), code_of(status), end.welcomed)
}

#[track_caller]
pub(super) fn refused(out: &[Effect]) -> String {
    assert!(matches!(out[0], Effect::Refused(_)), "it is accounted for: {out:?}");
    match sent(out)[..] {
        [Frame::Refusal(refusal)] => reason_of(refusal.status.as_ref().unwrap()).unwrap(),
        [Frame::Reply(v1::Reply { outcome: Some(reply::Outcome::Status(status)), .. })] => reason_of(status).unwrap(),
        ref other => panic!("{other:?}"),
    }
}

pub(super) fn send_frame(room: &str, text: &str) -> Asked {
    Asked::Send(Send { request_id: REQUEST.to_string(), room: room.into(), text: text.into() })
}

#[test]
fn hello_comes_first() {
    let now = Instant::now();
    for first in [Asked::Ping(Ping { nonce: 1 }), send_frame("x", "y")] {
        let mut session = Session::new(now, &Rates::default());
        let out = say(&mut session, now, first);
        assert_eq!(ended(&out), ("HELLO_EXPECTED", Code::InvalidArgument, false));
        assert!(session.is_over() && say(&mut session, now, hello()).is_empty());
    }
}

#[test]
fn hello_must_come_in_time_and_once() {
    let (now, mut out) = (Instant::now(), Vec::new());
    let mut session = Session::new(now, &Rates::default());
    session.on_tick(session.next_tick().unwrap() - Duration::from_millis(1), &mut out);
    assert!(out.is_empty());
    session.on_tick(now + HELLO_TIMEOUT, &mut out);
    assert_eq!(ended(&out).0, "HELLO_MISSING");

    let (mut session, now, _) = opened(vec![]);
    assert_eq!(ended(&say(&mut session, now, hello())), ("FRAME_OUT_OF_ORDER", Code::InvalidArgument, true));
    let mut session = Session::new(now, &Rates::default());
    say(&mut session, now, hello());
    assert_eq!(ended(&say(&mut session, now, Asked::Ping(Ping::default()))).0, "FRAME_OUT_OF_ORDER");
}

#[test]
fn a_hello_is_bounded() {
    let now = Instant::now();
    let cases = [
        (Hello::default(), "TOKEN_MISSING"),
        (Hello { token: "t".repeat(20_000), ..Hello::default() }, "TOKEN_INVALID"),
        (Hello { token: "t".into(), agent: "a".repeat(129), ..Hello::default() }, "AGENT_TOO_LONG"),
        (Hello { token: "t".into(), cursors: vec![Cursor::default(); 1_001], ..Hello::default() }, "TOO_MANY_CURSORS"),
    ];
    for (hello, reason) in cases {
        let mut session = Session::new(now, &Rates::default());
        assert_eq!(ended(&say(&mut session, now, Asked::Hello(hello))).0, reason);
    }
}

#[test]
fn welcome_says_who_and_follows_the_cursors() {
    let cursor = Cursor { room: ROOM.to_string(), after_seq: 5 };
    let (mut session, _, out) = opened(vec![cursor, Cursor { room: "nonsense".into(), after_seq: 1 }]);
    let frames = sent(&out);
    assert!(
        matches!(frames[0], Frame::Welcome(welcome) if welcome.person == "01".repeat(16) && welcome.alternates.len() == 1)
    );
    assert!(matches!(frames[1], Frame::Refusal(refusal) if has_reason(refusal.status.as_ref().unwrap(), "BAD_ID")));
    let mut out = Vec::new();
    session.pump(100, &NoRings, &mut out);
    assert!(matches!(out[..], [Effect::Page(PageRequest { room: ROOM, after: 5, from_now: false, .. })]));
}

#[test]
fn tokens_end_sessions() {
    let (mut session, now, mut out) = opened(vec![]);
    session.heard = now + Duration::from_secs(99);
    out.clear();
    session.on_tick(now + Duration::from_secs(100), &mut out);
    assert_eq!(ended(&out), ("TOKEN_EXPIRED", Code::Unauthenticated, true));
    let now = Instant::now();
    let mut session = Session::new(now, &Rates::default());
    say(&mut session, now, hello());
    let mut out = Vec::new();
    session.on_admitted(now, Err(refuse::unauthenticated("TOKEN_REVOKED", "x")), &mut out);
    assert_eq!(ended(&out), ("TOKEN_REVOKED", Code::Unauthenticated, false));
}

#[test]
fn silence_ends_a_session() {
    let (mut session, now, _) = opened(vec![]);
    say(&mut session, now + Duration::from_secs(30), Asked::Ping(Ping { nonce: 4 }));
    let mut out = Vec::new();
    session.on_tick(now + Duration::from_secs(89), &mut out);
    assert!(out.is_empty());
    session.excuse_silence(now + Duration::from_secs(35));
    session.on_tick(now + Duration::from_secs(94), &mut out);
    assert!(out.is_empty(), "the router did not listen");
    session.on_tick(now + Duration::from_secs(95), &mut out);
    assert_eq!(ended(&out).0, "IDLE");
}

#[test]
fn sends_are_checked_bounded_and_answered() {
    let (mut session, now, _) = opened(vec![]);
    assert_eq!(refused(&say(&mut session, now, send_frame("lobby", "x"))), "BAD_ID");
    let room = ROOM.to_string();
    assert_eq!(refused(&say(&mut session, now, send_frame(&room, ""))), "TEXT_EMPTY");
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    assert_eq!(refused(&say(&mut session, now, send_frame(&room, &long))), "TEXT_TOO_LONG");
    let anonymous = Asked::Send(Send { room: room.clone(), text: "x".into(), ..Send::default() });
    assert_eq!(refused(&say(&mut session, now, anonymous)), "BAD_REQUEST_ID");
    for _ in 0..MAX_SENDS {
        assert!(matches!(say(&mut session, now, send_frame(&room, "x"))[..], [Effect::Propose(_)]));
    }
    let full = say(&mut session, now, send_frame(&room, "x"));
    let Effect::Refused(status) = &full[0] else { panic!() };
    assert!(retry_after(status).is_some() && has_reason(status, "OVERLOADED"));
    let mark = SetReadMark { request_id: REQUEST.to_string(), room: room.clone(), seq: 0 };
    assert_eq!(refused(&say(&mut session, now, Asked::ReadMark(mark))), "BAD_SEQ");
    let mut out = Vec::new();
    let tag = Tag { request: REQUEST, room: ROOM };
    session.on_committed(tag, Ok(Committed { seq: 9, time_us: 1 }), &mut out);
    let [Effect::Ack(tag, committed)] = out[..] else { panic!("{out:?}") };
    assert_eq!((tag, committed), (Tag { request: REQUEST, room: ROOM }, Committed { seq: 9, time_us: 1 }));
    assert!(matches!(say(&mut session, now, send_frame(&room, "x"))[..], [Effect::Propose(_)]));
}

#[test]
fn calls_are_bounded_and_answered_by_id() {
    let (mut session, now, _) = opened(vec![]);
    for id in 0..MAX_CALLS as u64 {
        say(&mut session, now, Asked::Call(Call { id, ..Call::default() }));
    }
    assert_eq!(refused(&say(&mut session, now, Asked::Call(Call::default()))), "OVERLOADED");
    let mut out = Vec::new();
    session.on_reply(3, Ok(prost_types::Any::default()), &mut out);
    assert!(matches!(sent(&out)[..], [Frame::Reply(reply)] if reply.id == 3));
}

#[test]
fn too_many_follows_are_refused_one_by_one() {
    let (mut session, now, _) = opened(vec![]);
    let follow = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Asked::Follow(Follow { room: RoomId::from_bytes(id).to_string(), ..Follow::default() })
    };
    for number in 0..MAX_FOLLOWS + 100 {
        let out = say(&mut session, now, follow(number));
        match number < MAX_FOLLOWS {
            true => assert!(out.is_empty()),
            false => assert_eq!(refused(&out), "TOO_MANY_FOLLOWS"),
        }
    }
    let mut out = Vec::new();
    session.pump(1_000, &NoRings, &mut out);
    assert_eq!(out.len(), MAX_PAGES, "so many pages at once");
    assert!(!session.is_over());
    say(&mut session, now, Asked::Unfollow(Unfollow { room: RoomId::default().to_string() }));
    assert!(say(&mut session, now, follow(10_001)).is_empty());
}

#[test]
fn malformed_frames_are_refused_until_there_are_too_many() {
    let (mut session, now, _) = opened(vec![]);
    for _ in 0..MAX_MALFORMED {
        let mut out = Vec::new();
        session.on_frame(now, Err(FrameFault::Malformed("no".into())), &mut out);
        assert_eq!(refused(&out), "FRAME_MALFORMED");
    }
    let mut out = Vec::new();
    session.on_frame(now, Ok(ConnectRequest { frame: None }.into()), &mut out);
    assert_eq!(ended(&out).0, "TOO_MANY_MALFORMED");
    for (fault, reason) in
        [(FrameFault::TooLarge, "FRAME_TOO_LARGE"), (FrameFault::Broken("b".into()), "FRAME_MALFORMED")]
    {
        let (mut session, now, _) = opened(vec![]);
        let mut out = Vec::new();
        session.on_frame(now, Err(fault), &mut out);
        assert_eq!(ended(&out), (reason, Code::InvalidArgument, true));
    }
}

#[test]
fn a_room_that_is_followed_over_and_over_has_one_page_under_way() {
    let (mut session, now, _) = opened(vec![]);
    let follow = |after_seq| Asked::Follow(Follow { room: ROOM.to_string(), after_seq, from_now: false });
    let unfollow = || Asked::Unfollow(Unfollow { room: ROOM.to_string() });
    let mut asked = Vec::new();
    for after_seq in 0..100 {
        assert!(say(&mut session, now, follow(after_seq)).is_empty());
        session.pump(10, &NoRings, &mut asked);
        say(&mut session, now, unfollow());
        session.pump(10, &NoRings, &mut asked);
    }
    say(&mut session, now, follow(100));
    session.pump(10, &NoRings, &mut asked);
    let [Effect::Page(first)] = asked[..] else { panic!("{asked:?}") };
    assert_eq!(first.after, 0);
    let page = || Ok(Page { items: vec![], head: 100, ended: false });
    let mut out = Vec::new();
    session.on_page(now, first, page(), &mut out);
    assert!(out.is_empty(), "it was for a follow that is over");
    session.pump(10, &NoRings, &mut out);
    let [Effect::Page(second)] = out[..] else { panic!("{out:?}") };
    assert_eq!(second.after, 100);
    out.clear();
    session.on_page(now, second, page(), &mut out);
    assert!(matches!(sent(&out)[..], [Frame::Followed(followed)] if followed.after_seq == 100), "{out:?}");
    // A page that comes back for a room that nobody follows any more leaves nothing behind.
    say(&mut session, now, follow(5));
    out.clear();
    session.pump(10, &NoRings, &mut out);
    let [Effect::Page(third)] = out[..] else { panic!("{out:?}") };
    say(&mut session, now, unfollow());
    session.on_page(now, third, page(), &mut Vec::new());
    say(&mut session, now, follow(6));
    out.clear();
    session.pump(10, &NoRings, &mut out);
    assert!(matches!(out[..], [Effect::Page(PageRequest { after: 6, .. })]), "{out:?}");
}

#[test]
fn a_page_that_cannot_be_had_is_asked_for_again() {
    let (mut session, now, _) = opened(vec![Cursor { room: ROOM.to_string(), after_seq: 0 }]);
    let mut out = Vec::new();
    session.pump(10, &NoRings, &mut out);
    let Effect::Page(request) = out[0] else { panic!() };
    out.clear();
    session.on_page(now, request, Err(status::unknown_outcome("x")), &mut out);
    session.pump(10, &NoRings, &mut out);
    assert!(out.is_empty());
    let due = session.next_tick().unwrap();
    assert!(due <= now + Duration::from_secs(1));
    session.on_tick(due, &mut out);
    session.pump(10, &NoRings, &mut out);
    assert!(matches!(out[..], [Effect::Page(_)]));
}

#[test]
fn foreign_rooms_and_foreign_cursors_are_refused() {
    let cases = [
        (Err(status::new(Code::NotFound, "ROOM_UNKNOWN", "x")), "ROOM_UNKNOWN"),
        (Ok(Page { items: vec![], head: 4, ended: false }), "CURSOR_AHEAD"),
    ];
    for (answer, reason) in cases {
        let (mut session, now, _) = opened(vec![Cursor { room: ROOM.to_string(), after_seq: 5 }]);
        let mut out = Vec::new();
        session.pump(10, &NoRings, &mut out);
        let Effect::Page(request) = out.remove(0) else { panic!() };
        session.on_page(now, request, answer, &mut out);
        let [Frame::Refusal(refusal)] = sent(&out)[..] else { panic!("{out:?}") };
        assert_eq!(
            (refusal.room.clone(), reason_of(refusal.status.as_ref().unwrap()).unwrap()),
            (ROOM.to_string(), reason.into())
        );
        assert!(session.follows().unwrap().rooms().next().is_none());
    }
}

#[test]
fn a_page_with_a_hole_ends_the_follow() {
    let (mut session, now, _) = opened(vec![Cursor { room: ROOM.to_string(), after_seq: 0 }]);
    let mut out = Vec::new();
    session.pump(10, &NoRings, &mut out);
    let Effect::Page(request) = out.remove(0) else { panic!() };
    let event = |seq| Item::Event(Event { seq, ..Event::default() });
    session.on_page(now, request, Ok(Page { items: vec![event(1), event(3)], head: 3, ended: false }), &mut out);
    assert!(
        matches!(sent(&out).last(), Some(Frame::Unfollowed(end)) if has_reason(end.status.as_ref().unwrap(), "HISTORY_HOLE"))
    );
}

fn page_of(seqs: std::ops::RangeInclusive<u64>, head: u64, ended: bool) -> Page {
    let event = |seq| Item::Event(Event { seq, sender: "05".repeat(16), ..Event::default() });
    Page { items: seqs.map(event).collect(), head, ended }
}

/// Has the next page of the only follow answered.
fn answer(session: &mut Session, now: Instant, page: Page) -> Vec<Effect> {
    let mut out = Vec::new();
    session.pump(10, &NoRings, &mut out);
    let Effect::Page(request) = out.remove(0) else { panic!() };
    session.on_page(now, request, Ok(page), &mut out);
    out
}

fn is_of_hub(effect: &Effect) -> bool {
    matches!(effect, Effect::Attach(_) | Effect::Detach(_) | Effect::Saw(..))
}

/// A node gives them pages up to their removal, and says only on the last one that they are out.
#[test]
fn former_members_are_not_attached_and_neither_hear_nor_tell_of_typing() {
    let typing = || Asked::Typing(SetTyping { room: ROOM.to_string() });
    let heard = |session: &mut Session| {
        let mut out = Vec::new();
        session.on_soft(Soft::Typing { room: ROOM, person: PersonId::from_bytes([2; 16]) }, &mut out);
        out.len()
    };
    for pages in [vec![page_of(1..=3, 3, true)], vec![page_of(1..=2, 3, false), page_of(3..=3, 3, true)]] {
        let (mut session, now, _) = opened(vec![Cursor { room: ROOM.to_string(), after_seq: 0 }]);
        let mut all = Vec::new();
        for page in pages {
            all.extend(answer(&mut session, now, page));
            assert!(say(&mut session, now, typing()).is_empty());
            assert_eq!(heard(&mut session), 0);
        }
        assert!(!all.iter().any(is_of_hub), "{all:?}");
        let frames = sent(&all);
        assert!(matches!(frames[0], Frame::Followed(followed) if (followed.after_seq, followed.head_seq) == (0, 3)));
        assert!(matches!(frames[frames.len() - 1], Frame::Unfollowed(_)), "it stood: {frames:?}");
    }
}

#[test]
fn members_are_attached_once_a_page_reaches_the_head() {
    let (mut session, now, _) = opened(vec![Cursor { room: ROOM.to_string(), after_seq: 0 }]);
    let first = answer(&mut session, now, page_of(1..=2, 3, false));
    assert!(matches!(sent(&first)[0], Frame::Followed(_)) && !first.iter().any(is_of_hub));
    let second = answer(&mut session, now, page_of(3..=3, 3, false));
    let [Effect::Send(_), Effect::Attach(ROOM), Effect::Saw(ROOM, authors)] = &second[..] else { panic!("{second:?}") };
    assert_eq!(authors[..], [PersonId::from_bytes([5; 16])], "each once, those of the first page too");
    assert!(matches!(
        say(&mut session, now, Asked::Typing(SetTyping { room: ROOM.to_string() }))[..],
        [Effect::Typing(ROOM)]
    ));
    assert!(say(&mut session, now, Asked::Unfollow(Unfollow { room: ROOM.to_string() })).iter().any(is_of_hub));
}

#[test]
fn soft_state_is_for_those_who_follow() {
    let (mut session, now, _) = opened(vec![Cursor { room: ROOM.to_string(), after_seq: 0 }]);
    let typing = || Asked::Typing(SetTyping { room: ROOM.to_string() });
    assert!(say(&mut session, now, typing()).is_empty(), "not before the follow is live");
    let mut out = Vec::new();
    session.pump(10, &NoRings, &mut out);
    let Effect::Page(request) = out.remove(0) else { panic!() };
    session.on_page(now, request, Ok(Page { items: vec![], head: 0, ended: false }), &mut out);
    assert!(matches!(say(&mut session, now, typing())[..], [Effect::Typing(ROOM)]));
    let mut out = Vec::new();
    for person in [1, 2] {
        session.on_soft(Soft::Typing { room: ROOM, person: PersonId::from_bytes([person; 16]) }, &mut out);
    }
    assert!(matches!(sent(&out)[..], [Frame::Typing(_)]), "one's own typing is no news");
    let presence = |availability| Asked::Presence(SetPresence { availability, answer_at: None });
    assert_eq!(refused(&say(&mut session, now, presence(0))), "INVALID_ARGUMENT");
    assert!(matches!(say(&mut session, now, presence(2))[..], [Effect::Presence { availability: 2, .. }]));
}
