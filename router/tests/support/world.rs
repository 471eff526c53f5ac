//! Rooms in memory, as a node of one shard would keep them: enough of the rules to talk to a router.

use std::collections::{BTreeMap, HashMap, HashSet};

use hansard_domain::{Action, Content, Kind, PersonId, Refusal, RoomId};
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::cluster::v1::*;
use hansard_proto::convert::{action_of, bytes};
use hansard_proto::rpc;
use hansard_proto::status;
use prost::bytes::Bytes;
use tonic::Code;

/// A room.
#[derive(Default)]
pub(crate) struct Room {
    pub(crate) entries: Vec<Entry>,
    /// For each member, the first seq that the person sees.
    pub(crate) members: BTreeMap<PersonId, u64>,
    /// Those who are out, and the last seq that they see.
    pub(crate) out: BTreeMap<PersonId, u64>,
    pub(crate) public: bool,
}

/// Everything that the fake node knows.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) rooms: HashMap<RoomId, Room>,
    pub(crate) people: BTreeMap<PersonId, (String, String)>,
    pub(crate) done: HashMap<(PersonId, Bytes, Bytes), Proposed>,
    /// Refusals that routers reported: reason and count.
    pub(crate) reported: Vec<(String, u64)>,
    /// Their requests.
    pub(crate) report_requests: HashSet<Bytes>,
    /// Whether so many reports were recorded is not told.
    pub(crate) lost_reports: u32,
    pub(crate) clock_us: i64,
    /// The revision of the cluster's state that it knows.
    pub(crate) revision: u64,
    /// No quorum of meta confirms anything.
    pub(crate) unconfirmed: bool,
}

/// The id that the fake node gives to a subject.
pub(crate) fn person(subject: &str) -> PersonId {
    let mut id = [0x50; 16];
    let text = subject.as_bytes();
    id[..text.len()].copy_from_slice(text);
    PersonId::from_bytes(id)
}

impl World {
    /// Answers a call; a new entry comes with its room.
    pub(crate) fn answer(&mut self, call: &NodeCall) -> (Outcome, Option<(RoomId, Entry)>) {
        let who = call.principal.as_ref().and_then(|who| PersonId::from_slice(&who.person).ok()).unwrap_or_default();
        match call.call.as_ref().unwrap() {
            Call::Propose(propose) => self.propose(who, propose),
            other => (self.read(who, other).unwrap_or_else(Outcome::Status), None),
        }
    }

    fn propose(&mut self, who: PersonId, propose: &Propose) -> (Outcome, Option<(RoomId, Entry)>) {
        let key = (who, propose.room.clone(), propose.request_id.clone());
        if let Some(done) = self.done.get(&key) {
            return (Outcome::Proposed(Proposed { repeated: true, ..*done }), None);
        }
        let action = action_of(propose).unwrap();
        let id = action.room().unwrap();
        self.clock_us += 1_000;
        let time_us = self.clock_us;
        if let Action::MarkRead { seq, .. } = action {
            return (Outcome::Proposed(Proposed { seq, time_us, repeated: false }), None);
        }
        let created = matches!(action, Action::CreateRoom { .. });
        if !created && !self.rooms.contains_key(&id) {
            return (Outcome::Status(unknown()), None);
        }
        let room = self.rooms.entry(id).or_default();
        let seq = room.entries.len() as u64 + 1;
        let member = room.members.contains_key(&who);
        match action {
            Action::CreateRoom { visibility, .. } => {
                room.public = visibility == hansard_domain::Visibility::Public;
                room.members.insert(who, 1);
            }
            Action::Join { .. } => {
                room.members.insert(who, 1);
            }
            _ if !member => return (Outcome::Status(unknown()), None),
            Action::Invite { person, .. } => {
                room.members.insert(person, seq);
                room.out.remove(&person);
            }
            Action::Remove { person, .. } => {
                room.members.remove(&person);
                room.out.insert(person, seq);
            }
            _ => {}
        }
        let entry = Entry {
            seq,
            time_us,
            kind: action.kind().unwrap().number().into(),
            actor: bytes(who),
            person: propose.person.clone(),
            target_seq: propose.target_seq,
            role: propose.role,
            visibility: propose.visibility,
            content: propose.content.clone(),
            changed_by_seq: 0,
        };
        room.entries.push(entry.clone());
        let done = Proposed { seq, time_us, repeated: false };
        self.done.insert(key, done);
        (Outcome::Proposed(done), Some((id, entry)))
    }

    fn read(&mut self, who: PersonId, call: &Call) -> Result<Outcome, rpc::Status> {
        Ok(match call {
            Call::Claim(_) => Outcome::Proposed(Proposed::default()),
            Call::ReportRefusals(report) => {
                if self.report_requests.insert(report.request_id.clone()) {
                    self.reported.push((report.reason.clone(), report.count));
                }
                if self.lost_reports > 0 {
                    self.lost_reports -= 1;
                    return Err(status::unknown_outcome("x"));
                }
                Outcome::Done(Done {})
            }
            Call::ReadHistory(wanted) => Outcome::History(self.history(who, wanted)?),
            Call::ReadRoom(wanted) => Outcome::Room(self.view(who, RoomId::from_slice(&wanted.room).unwrap())?),
            Call::ScanRooms(wanted) => {
                let after = RoomId::from_slice(&wanted.after).ok();
                let mut ids: Vec<RoomId> = self.rooms.keys().copied().filter(|id| Some(*id) > after).collect();
                ids.sort();
                let mut rooms: Vec<RoomView> = ids.into_iter().filter_map(|id| self.view(who, id).ok()).collect();
                let more = rooms.len() > wanted.limit as usize;
                rooms.truncate(wanted.limit as usize);
                Outcome::Rooms(RoomPage { rooms, more })
            }
            Call::ScanMembers(wanted) => {
                let room = &self.rooms[&RoomId::from_slice(&wanted.room).unwrap()];
                let member =
                    |(id, since): (&PersonId, &u64)| MemberView { person: bytes(*id), role: 1, since_seq: *since };
                Outcome::Members(MemberPage { members: room.members.iter().map(member).collect(), more: false })
            }
            Call::ReadUnread(_) => Outcome::Unread(UnreadPage::default()),
            Call::ResolvePerson(wanted) => {
                let id = person(&wanted.subject);
                if wanted.only_known && !self.people.contains_key(&id) {
                    return Err(status::from_refusal(Refusal::PersonUnknown));
                }
                self.people.insert(id, (wanted.issuer.clone(), wanted.subject.clone()));
                Outcome::Person(self.person(id).unwrap())
            }
            Call::ReadPeople(wanted) => {
                let ids = wanted.people.iter().filter_map(|id| PersonId::from_slice(id).ok());
                Outcome::People(PersonPage { people: ids.filter_map(|id| self.person(id)).collect(), more: false })
            }
            Call::ScanPeople(_) => {
                let people = self.people.keys().filter_map(|id| self.person(*id)).collect();
                Outcome::People(PersonPage { people, more: false })
            }
            Call::Operate(_) => Outcome::Done(Done {}),
            Call::ReadStatus(wanted) if wanted.confirmed && self.unconfirmed => {
                return Err(status::new(Code::Unavailable, "NOT_LEADER", "x"));
            }
            Call::ReadStatus(_) => {
                let shards = vec![ShardStatus { epoch: self.revision, ..ShardStatus::default() }];
                Outcome::StatusView(Status { shards, revision: self.revision, ..Status::default() })
            }
            Call::Propose(_) => unreachable!(),
        })
    }

    fn person(&self, id: PersonId) -> Option<PersonView> {
        let (issuer, subject) = self.people.get(&id)?.clone();
        Some(PersonView { person: bytes(id), epoch: 0, issuer, subject, not_before_s: 0 })
    }

    fn view(&self, who: PersonId, id: RoomId) -> Result<RoomView, rpc::Status> {
        let room =
            self.rooms.get(&id).filter(|room| room.public || room.members.contains_key(&who)).ok_or_else(unknown)?;
        let content = Content::decode(&room.entries[0].content).unwrap();
        Ok(RoomView {
            room: bytes(id),
            name: content.name.unwrap_or_default(),
            topic: content.topic.unwrap_or_default(),
            visibility: if room.public { 1 } else { 2 },
            head_seq: room.entries.len() as u64,
            created_us: room.entries[0].time_us,
            members: room.members.len() as u64,
            role: u32::from(room.members.contains_key(&who)),
            peer: Bytes::new(),
        })
    }

    fn history(&self, who: PersonId, wanted: &ReadHistory) -> Result<HistoryPage, rpc::Status> {
        let room = self.rooms.get(&RoomId::from_slice(&wanted.room).unwrap()).ok_or_else(unknown)?;
        let (from, head, member) = match (room.members.get(&who), room.out.get(&who)) {
            (Some(from), _) => (*from, room.entries.len() as u64, true),
            (None, Some(out)) => (1, *out, false),
            (None, None) => return Err(unknown()),
        };
        let after = if wanted.from_now { head } else { wanted.after_seq };
        let mut page = HistoryPage { head_seq: head, to_seq: after, ..HistoryPage::default() };
        if after + 1 < from {
            page.gaps.push(SeqGap { from_seq: after + 1, to_seq: from - 1, reason: 2 });
            page.to_seq = from - 1;
        }
        let rest = room.entries.iter().filter(|entry| entry.seq > page.to_seq && entry.seq <= head);
        page.entries = rest.take(wanted.limit as usize).cloned().collect();
        page.to_seq = page.entries.last().map_or(page.to_seq, |entry| entry.seq);
        page.ended = !member && page.to_seq >= head;
        Ok(page)
    }
}

fn unknown() -> rpc::Status {
    status::new(Code::NotFound, "ROOM_UNKNOWN", "there is no such room")
}

/// The kind of an entry, for those who look inside.
#[allow(dead_code, reason = "each test file uses its part of the support")]
pub(crate) fn kind(entry: &Entry) -> Option<Kind> {
    u16::try_from(entry.kind).ok().and_then(Kind::from_number)
}
