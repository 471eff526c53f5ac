//! People and their tokens.

use super::outcome::MetaOutcome;
use super::rows::{decode_subject, encode_epoch, encode_person, encode_subject, encode_token, subject_key, token_key};
use super::view::MetaView;
use crate::erased::Unread;
use crate::ids::PersonId;
use crate::limits::{MAX_REVOKED_TOKENS, REVOKED_TOKEN_GRACE_S, REVOKED_TOKEN_LIFE_S};
use crate::refusal::Refusal;
use crate::rows::Table;
use crate::stage::{Stage, sound};

/// Tokens that one revocation forgets at most: keeps every command short, and still forgets faster than it learns.
const FORGET_AT_ONCE: usize = 16;

/// The id of an issuer's subject.
pub(super) fn enrolled(stage: &Stage<'_>, issuer: &str, subject: &str) -> Result<Option<PersonId>, Unread> {
    let row = stage.get(Table::Subject, &subject_key(issuer, subject))?;
    Ok(row.map(|row| sound(decode_subject(&row), Table::Subject)))
}

pub(super) fn answer(view: &MetaView, person: PersonId, repeated: bool) -> MetaOutcome {
    let epoch = view.epoch_of(person);
    MetaOutcome::Enrolled { person, epoch: epoch.epoch, not_before_s: epoch.not_before_s, repeated }
}

/// Gives an id to somebody who has none.
pub(super) fn enroll(
    stage: &mut Stage<'_>,
    person: PersonId,
    issuer: &str,
    subject: &str,
) -> Result<Result<(), Refusal>, Unread> {
    if person == PersonId::SYSTEM || issuer.is_empty() || subject.is_empty() {
        return Ok(Err(Refusal::InvalidContent));
    }
    if stage.get(Table::Person, person.as_bytes())?.is_some() {
        return Ok(Err(Refusal::InvalidAction));
    }
    stage.put(Table::Person, person.as_bytes(), Some(encode_person(issuer, subject)));
    stage.put(Table::Subject, &subject_key(issuer, subject), Some(encode_subject(person)));
    Ok(Ok(()))
}

/// Remembers a token until it expires; forgets some that have.
pub(super) fn revoke_token(
    stage: &mut Stage<'_>,
    view: &mut MetaView,
    token: &str,
    expires_s: i64,
    time_us: i64,
) -> Result<(), Refusal> {
    if token.is_empty() {
        return Err(Refusal::InvalidContent);
    }
    let now_s = time_us.div_euclid(1_000_000);
    let expires_s = match expires_s {
        0 => now_s + REVOKED_TOKEN_LIFE_S,
        told => told,
    };
    let gone = |expires_s: &i64| expires_s.saturating_add(REVOKED_TOKEN_GRACE_S) < now_s;
    let expired: Vec<_> =
        view.tokens.iter().filter(|(_, e)| gone(e)).map(|(t, _)| t.clone()).take(FORGET_AT_ONCE).collect();
    if expired.is_empty() && view.tokens.len() >= MAX_REVOKED_TOKENS && !view.tokens.contains_key(token) {
        return Err(Refusal::TooMany);
    }
    for token in expired {
        stage.put(Table::Revoked, &token_key(&token), None);
        view.tokens.remove(&token);
    }
    let expires_s = view.tokens.get(token).map_or(expires_s, |known| expires_s.max(*known));
    stage.put(Table::Revoked, &token_key(token), Some(encode_token(token, expires_s)));
    view.tokens.insert(token.to_owned(), expires_s);
    Ok(())
}

/// Ends all tokens of a person.
pub(super) fn revoke(
    stage: &mut Stage<'_>,
    view: &mut MetaView,
    person: PersonId,
    not_before_s: i64,
    time_us: i64,
) -> Result<Result<(), Refusal>, Unread> {
    if stage.get(Table::Person, person.as_bytes())?.is_none() {
        return Ok(Err(Refusal::PersonUnknown));
    }
    let not_before_s = match not_before_s {
        0 => time_us.div_euclid(1_000_000) + 1,
        told => told,
    };
    let mut epoch = view.epoch_of(person);
    epoch.epoch += 1;
    epoch.not_before_s = epoch.not_before_s.max(not_before_s);
    stage.put(Table::Epoch, person.as_bytes(), Some(encode_epoch(epoch)));
    view.people.insert(person, epoch);
    Ok(Ok(()))
}
