//! One meta command: the same request once, then its effect, then its entry.

use super::command::{MetaAction, MetaCommand};
use super::outcome::MetaOutcome;
use super::rows::encode_cluster;
use super::view::MetaView;
use super::{nodes, people, places};
use crate::dedup::{DedupRow, Proof};
use crate::erased::Unread;
use crate::keys;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::record::{Header, RefusedCount};
use crate::refusal::Refusal;
use crate::rows::Table;
use crate::sealed::Sealed;
use crate::stage::{Stage, sound};

pub(super) fn apply(stage: &mut Stage<'_>, view: &mut MetaView, command: &MetaCommand) -> Result<MetaOutcome, Unread> {
    let key = keys::dedup(&keys::pair(command.actor.as_bytes(), command.actor.as_bytes()), command.request);
    if let Some(row) = stage.get(Table::Dedup, &key)? {
        let row = sound(DedupRow::decode(&row), Table::Dedup);
        return repeat(stage, view, command, &row);
    }
    if let MetaAction::EnrollPerson { issuer, subject, .. } = &command.action
        && view.cluster.is_some()
        && let Some(person) = people::enrolled(stage, issuer, subject)?
    {
        return Ok(people::answer(view, person, true));
    }
    let time_us = stage.warm.head.next_time(command.stamp_us);
    let result = match command.policy < stage.warm.head.policy {
        true => Err(Refusal::PolicyChanged),
        false => effect(stage, view, command, time_us)?,
    };
    let proof = record(stage, command, time_us, result);
    let outcome = match result {
        Ok(()) => {
            stage.warm.head.policy = command.policy;
            Outcome::Committed { seq: view.revision, time_us, repeated: false }
        }
        Err(refusal) if !refusal.is_final() => return Ok(MetaOutcome::Refused(refusal)),
        Err(refusal) => Outcome::Refused(refusal),
    };
    let number = command.action.kind().number();
    stage.put(Table::Dedup, &key, Some(DedupRow::encode(number, &outcome, &proof, |_| {})));
    answer(stage, view, command, outcome, false)
}

/// Changes the state, or not at all.
fn effect(
    stage: &mut Stage<'_>,
    view: &mut MetaView,
    command: &MetaCommand,
    time_us: i64,
) -> Result<Result<(), Refusal>, Unread> {
    let found = matches!(command.action, MetaAction::Found { .. });
    if view.cluster.is_none() && !found {
        return Ok(Err(Refusal::NotFounded));
    }
    let result = match &command.action {
        MetaAction::Found { cluster, nodes, meta, shards } => places::found(stage, view, *cluster, nodes, meta, shards),
        MetaAction::EnrollPerson { person, issuer, subject } => people::enroll(stage, *person, issuer, subject)?,
        MetaAction::RevokeToken { token, expires_s } => people::revoke_token(stage, view, token, *expires_s, time_us),
        MetaAction::RevokePerson { person, not_before_s } => {
            people::revoke(stage, view, *person, *not_before_s, time_us)?
        }
        MetaAction::RegisterNode(info) => nodes::register(stage, view, info),
        MetaAction::ActivateNode(node) => nodes::activate(stage, view, *node),
        MetaAction::DecommissionNode(node) => nodes::decommission(stage, view, *node),
        MetaAction::RetireNode(node) => nodes::retire(stage, view, *node),
        MetaAction::SetPlacement { shard, voters, epoch } => places::set(stage, view, *shard, voters, *epoch),
        MetaAction::MoveRoom { room, shard, epoch } => places::move_room(stage, view, *room, *shard, *epoch),
        MetaAction::SetPolicy(version) if *version <= view.policy => Err(Refusal::PolicyOld),
        MetaAction::SetPolicy(version) => {
            view.policy = *version;
            Ok(())
        }
    };
    if result.is_ok() && !matches!(command.action, MetaAction::EnrollPerson { .. }) {
        view.revision += 1;
        let cluster = view.cluster.expect("founded, by now");
        stage.put(Table::Cluster, keys::SINGLE, Some(encode_cluster(cluster, view.policy, view.revision)));
    }
    Ok(result)
}

/// Adds the command's entry to the record, as done or as refused.
fn record(stage: &mut Stage<'_>, command: &MetaCommand, time_us: i64, result: Result<(), Refusal>) -> Proof {
    let kind = if result.is_ok() { command.action.kind() } else { Kind::Refused };
    let index = stage.warm.head.size;
    let mut header = Header::new(stage.shard, index, time_us, kind, command.actor, command.request);
    header.policy = command.policy;
    match &command.action {
        MetaAction::EnrollPerson { person, .. } | MetaAction::RevokePerson { person, .. } => {
            header.person = Some(*person)
        }
        MetaAction::RegisterNode(info) => header.node = Some(info.id),
        MetaAction::ActivateNode(node) | MetaAction::DecommissionNode(node) | MetaAction::RetireNode(node) => {
            header.node = Some(*node);
        }
        MetaAction::SetPlacement { shard, epoch, .. } => {
            (header.subject_shard, header.epoch) = (Some(*shard), Some(*epoch));
        }
        MetaAction::MoveRoom { room, epoch, .. } => (header.room, header.epoch) = (Some(*room), Some(*epoch)),
        MetaAction::SetPolicy(version) => header.epoch = Some(*version),
        MetaAction::Found { .. } | MetaAction::RevokeToken { .. } => {}
    }
    match result {
        Ok(()) => header.rule = command.rule,
        Err(refusal) => {
            let (action, reason) = (command.action.kind().number(), refusal.number());
            header.refused = Some(RefusedCount { action, reason, count: 1, first_us: time_us, last_us: time_us });
        }
    }
    let content = command.action.content();
    let commitment = command.salt.commit(&content);
    stage.record(&header, &commitment, &command.salt, &Sealed::clear(content));
    Proof::Salted(command.salt, commitment)
}

/// The first answer to a request that comes again.
fn repeat(
    stage: &mut Stage<'_>,
    view: &MetaView,
    command: &MetaCommand,
    row: &DedupRow,
) -> Result<MetaOutcome, Unread> {
    let same = row.action == command.action.kind().number()
        && match &row.proof {
            Proof::Salted(salt, commitment) => salt.commit(&command.action.content()) == *commitment,
            Proof::Event | Proof::Nothing => false,
        };
    // An enrolment offers another id each time; what counts is whom it is for.
    let enrolment =
        matches!(command.action, MetaAction::EnrollPerson { .. }) && row.action == Kind::PersonEnrolled.number();
    if !same && !enrolment {
        let time_us = stage.warm.head.next_time(command.stamp_us);
        record(stage, command, time_us, Err(Refusal::RequestReused));
        return Ok(MetaOutcome::Refused(Refusal::RequestReused));
    }
    answer(stage, view, command, row.outcome, true)
}

fn answer(
    stage: &Stage<'_>,
    view: &MetaView,
    command: &MetaCommand,
    outcome: Outcome,
    repeated: bool,
) -> Result<MetaOutcome, Unread> {
    let (revision, time_us) = match outcome {
        Outcome::Committed { seq, time_us, .. } => (seq, time_us),
        Outcome::Refused(refusal) => return Ok(MetaOutcome::Refused(refusal)),
    };
    if let MetaAction::EnrollPerson { issuer, subject, .. } = &command.action {
        return Ok(match people::enrolled(stage, issuer, subject)? {
            Some(person) => people::answer(view, person, repeated),
            None => MetaOutcome::Refused(Refusal::RequestReused),
        });
    }
    Ok(MetaOutcome::Committed { revision, time_us, repeated })
}
