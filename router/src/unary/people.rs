//! `PersonService`.

use std::collections::HashMap;

use bytes::Bytes;
use hansard_domain::PersonId;
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::cluster::v1::{PersonView, ReadPeople, ResolvePerson, ScanPeople};
use hansard_proto::convert::bytes;
use hansard_proto::{status, v1};
use tonic::Code;

use super::Cx;
use crate::directory::Target;
use crate::refuse::{Fault, field, wrong_answer};
use crate::{convert, fields, reason};

pub(super) async fn get(cx: &Cx<'_>, asked: v1::GetPeopleRequest) -> Result<v1::GetPeopleResponse, Fault> {
    let wanted = match asked.ids.is_empty() {
        true => vec![cx.who.person],
        false => fields::people("ids", &asked.ids)?,
    };
    let call = Call::ReadPeople(ReadPeople { people: wanted.iter().map(|person| bytes(*person)).collect() });
    let Outcome::People(page) = cx.ask(Target::Meta, call).await? else { return Err(wrong_answer()) };
    let found: HashMap<PersonId, &PersonView> =
        page.people.iter().filter_map(|person| Some((convert::person(&person.person)?, person))).collect();
    let people = wanted.iter().filter_map(|person| found.get(person)).map(|person| shown(person)).collect();
    Ok(v1::GetPeopleResponse { people })
}

pub(super) async fn resolve(cx: &Cx<'_>, asked: v1::ResolvePersonRequest) -> Result<v1::ResolvePersonResponse, Fault> {
    // The subject is the identity of the intent: it gets one id for good, whatever the request's.
    fields::request(&asked.request_id)?;
    let subject = fields::subject(&asked.subject)?.to_owned();
    let (issuer, only_known) = (cx.who.issuer.to_string(), asked.only_known);
    let call = Call::ResolvePerson(ResolvePerson { issuer, subject, only_known });
    let Outcome::Person(person) = cx.ask(Target::Meta, call).await.map_err(unknown)? else {
        return Err(wrong_answer());
    };
    Ok(v1::ResolvePersonResponse { person: Some(shown(&person)) })
}

pub(super) async fn list(cx: &Cx<'_>, asked: v1::ListPeopleRequest) -> Result<v1::ListPeopleResponse, Fault> {
    let limit = fields::page_size(asked.page_size)?;
    let call = Call::ScanPeople(ScanPeople { after: after(&asked.page_token)?, limit });
    let Outcome::People(page) = cx.ask(Target::Meta, call).await? else { return Err(wrong_answer()) };
    let people: Vec<v1::Person> = page.people.iter().map(shown).collect();
    let last = people.last().filter(|_| page.more).map(|person| person.id.clone());
    Ok(v1::ListPeopleResponse { next_page_token: last.unwrap_or_default(), people })
}

/// Nodes keep no account of people whom nobody knows; this router does.
fn unknown(fault: Fault) -> Fault {
    match fault {
        Fault::There(refused) if status::has_reason(&refused, reason::PERSON_UNKNOWN) => {
            let (text, metadata) = ("nobody who is known has this subject", [("field", "subject".to_owned())]);
            Fault::Here(status::with_metadata(Code::NotFound, reason::PERSON_UNKNOWN, text, metadata))
        }
        other => other,
    }
}

/// A page token that is the last person's id.
pub(super) fn after(token: &str) -> Result<Bytes, Fault> {
    if token.is_empty() {
        return Ok(Bytes::new());
    }
    let person: Result<PersonId, _> = token.parse();
    let wrong = |_| field(reason::BAD_PAGE, "page_token", "`page_token` is none that a page before gave");
    person.map(bytes).map_err(wrong)
}

fn shown(person: &PersonView) -> v1::Person {
    v1::Person {
        id: convert::person_text(&person.person),
        subject: person.subject.clone(),
        issuer: person.issuer.clone(),
    }
}
