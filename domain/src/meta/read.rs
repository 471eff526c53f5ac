//! People, by id or by subject.

use super::rows::{decode_epoch, decode_person, decode_subject, subject_key};
use super::view::PersonEpoch;
use crate::ids::PersonId;
use crate::limits::MAX_PAGE;
use crate::read::{Listing, ids_after};
use crate::rows::{Rows, Table};
use crate::stage::sound;

/// A person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonView {
    /// The id.
    pub person: PersonId,
    /// The issuer of the person's tokens.
    pub issuer: String,
    /// Their subject.
    pub subject: String,
    /// Which of them are good.
    pub epoch: PersonEpoch,
}

/// The person with this id.
pub fn person<R: Rows>(rows: &R, person: PersonId) -> Result<Option<PersonView>, R::Error> {
    let Some(row) = rows.get(Table::Person, person.as_bytes())? else {
        return Ok(None);
    };
    let (issuer, subject) = sound(decode_person(&row), Table::Person);
    let epoch = rows.get(Table::Epoch, person.as_bytes())?;
    let epoch = epoch.map_or(PersonEpoch::default(), |row| sound(decode_epoch(&row), Table::Epoch));
    Ok(Some(PersonView { person, issuer, subject, epoch }))
}

/// The person who is this issuer's subject.
pub fn find_person<R: Rows>(rows: &R, issuer: &str, subject: &str) -> Result<Option<PersonView>, R::Error> {
    match rows.get(Table::Subject, &subject_key(issuer, subject))? {
        Some(row) => person(rows, sound(decode_subject(&row), Table::Subject)),
        None => Ok(None),
    }
}

/// People above `after`, at most `limit`.
pub fn list_people<R: Rows>(rows: &R, after: Option<PersonId>, limit: usize) -> Result<Listing<PersonView>, R::Error> {
    let after = after.as_ref().map(PersonId::as_bytes);
    let ids = ids_after(rows, Table::Person, &[], after, limit.clamp(1, MAX_PAGE))?;
    let mut items = Vec::with_capacity(ids.items.len());
    for id in ids.items {
        items.extend(person(rows, PersonId::from_bytes(id))?);
    }
    Ok(Listing { items, more: ids.more })
}
