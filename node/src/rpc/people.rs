//! People, as meta knows them.

use std::sync::Arc;

use hansard_domain::{
    PersonId, Refusal,
    limits::MAX_PAGE,
    meta::{self as domain, MetaAction, MetaOutcome},
};
use hansard_proto::{
    cluster::v1 as wire,
    convert::{bytes, id_of_bytes, optional_id_of_bytes},
    rpc::Status,
    status,
};

use super::{calls::limit, reply};
use crate::{error::invalid, meta, shard::MetaShard, state::Node};

/// A person for an issuer and a subject; drawn and recorded if there is none, unless only known ones are wanted. Whoever is known is
/// known by any replica.
pub(super) async fn resolve(node: &Arc<Node>, wanted: &wire::ResolvePerson) -> Result<wire::PersonView, Status> {
    let replica = replica(node)?;
    let (issuer, subject) = (wanted.issuer.clone(), wanted.subject.clone());
    let asked = wanted.clone();
    let found = replica.read_applied(move |rows| domain::find_person(rows, &asked.issuer, &asked.subject)).await;
    if let Some(known) = found.map_err(reply::reading)? {
        return Ok(view(known));
    }
    if wanted.only_known {
        return known(&replica, wanted).await;
    }
    let person = PersonId::from_bytes(node.draw());
    let action = MetaAction::EnrollPerson { person, issuer: issuer.clone(), subject: subject.clone() };
    let outcome = replica.propose(meta::by_system(node, action)).await.map_err(reply::proposing)?;
    match outcome {
        MetaOutcome::Enrolled { person, epoch, not_before_s, .. } => {
            Ok(wire::PersonView { person: bytes(person), epoch, issuer, subject, not_before_s })
        }
        MetaOutcome::Refused(refusal) => Err(status::from_refusal(refusal)),
        MetaOutcome::Committed { .. } => Err(status::unknown_outcome("meta gave an answer of another kind")),
    }
}

/// A person who has an id. Nobody is said to have none by a replica that may not have heard of it.
async fn known(replica: &MetaShard, wanted: &wire::ResolvePerson) -> Result<wire::PersonView, Status> {
    let (issuer, subject) = (wanted.issuer.clone(), wanted.subject.clone());
    let found = replica.read(move |rows| domain::find_person(rows, &issuer, &subject)).await.map_err(reply::reading)?;
    found.map(view).ok_or_else(|| status::from_refusal(Refusal::PersonUnknown))
}

/// People by id; those that are not known are left out.
pub(super) async fn read(node: &Arc<Node>, wanted: &wire::ReadPeople) -> Result<wire::PersonPage, Status> {
    if wanted.people.len() > MAX_PAGE {
        return Err(invalid(format!("at most {MAX_PAGE} people can be asked for at once")));
    }
    let ids: Vec<PersonId> = wanted.people.iter().map(|id| id_of_bytes("people", id)).collect::<Result<_, _>>()?;
    let replica = replica(node)?;
    let read = replica.read(move |rows| {
        let mut people = Vec::with_capacity(ids.len());
        for id in ids {
            people.extend(domain::person(rows, id)?);
        }
        Ok(people)
    });
    let people = read.await.map_err(reply::reading)?;
    Ok(wire::PersonPage { people: people.into_iter().map(view).collect(), more: false })
}

/// A page of people.
pub(super) async fn scan(node: &Arc<Node>, wanted: &wire::ScanPeople) -> Result<wire::PersonPage, Status> {
    let after = optional_id_of_bytes("after", &wanted.after)?;
    let limit = limit(wanted.limit);
    let replica = replica(node)?;
    let read = replica.read(move |rows| domain::list_people(rows, after, limit));
    let listing = read.await.map_err(reply::reading)?;
    Ok(wire::PersonPage { people: listing.items.into_iter().map(view).collect(), more: listing.more })
}

fn replica(node: &Node) -> Result<MetaShard, Status> {
    node.host.meta().ok_or_else(|| reply::not_leader(None))
}

fn view(person: domain::PersonView) -> wire::PersonView {
    wire::PersonView {
        person: bytes(person.person),
        epoch: person.epoch.epoch,
        issuer: person.issuer,
        subject: person.subject,
        not_before_s: person.epoch.not_before_s,
    }
}
