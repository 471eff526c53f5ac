//! What must hold in every run, one file each. A check returns what is wrong, in words; nothing if all is well.
//!
//! Some more are looked at while the simulation runs, in [`crate::machine`], [`crate::keeper`] and [`crate::leaders`]: what
//! was synced is there after a restart, a node refuses to start with damaged data only, a process ends after an error of its
//! disk, no id is used again, there is no panic, and a term has one leader.

mod acked_once;
mod client_order;
mod followers;
mod no_phantom;
mod pages;
mod real_time_order;
mod record_tree;
mod redacted_hidden;
mod refusals;
mod removed_hear_nothing;
mod replicas_equal;
mod request_reuse;
mod seq_gap_free;
mod time_increasing;
mod unknown_at_most_once;
mod voters_placed;

use hansard_domain::Kind;

use crate::{
    evidence::{Evidence, Stored},
    history::{Deed, Done, Inner as History, Shown},
};

/// A check of the clients' histories against what the nodes hold.
type Check = fn(&History, &Evidence) -> Vec<String>;

const ALL: [(&str, Check); 16] = [
    ("acked_once", acked_once::check),
    ("unknown_at_most_once", unknown_at_most_once::check),
    ("no_phantom", no_phantom::check),
    ("seq_gap_free", seq_gap_free::check),
    ("real_time_order", real_time_order::check),
    ("client_order", client_order::check),
    ("request_reuse", request_reuse::check),
    ("refusals", refusals::check),
    ("followers", followers::check),
    ("removed_hear_nothing", removed_hear_nothing::check),
    ("pages", pages::check),
    ("redacted_hidden", redacted_hidden::check),
    ("replicas_equal", replicas_equal::check),
    ("voters_placed", voters_placed::check),
    ("record_tree", record_tree::check),
    ("time_increasing", time_increasing::check),
];

/// All violations.
pub(crate) fn check(history: &History, evidence: &Evidence) -> Vec<String> {
    let named = |(name, check): &(&str, Check)| {
        let found = check(history, evidence);
        found.into_iter().map(|what| format!("{name}: {what}")).collect::<Vec<_>>()
    };
    ALL.iter().flat_map(named).collect()
}

/// Whether an entry is what a deed makes.
fn is_effect(done: &Done, entry: &Stored, history: &History) -> bool {
    let person = |client: &usize| history.people.get(client);
    let (kind, about) = match &done.deed {
        Deed::Send => (Kind::Message, (None, None)),
        Deed::Edit(target) => (Kind::Edit, (Some(*target), None)),
        Deed::Redact(target) => (Kind::Redaction, (Some(*target), None)),
        Deed::Join => (Kind::Joined, (None, None)),
        Deed::Leave => (Kind::Left, (None, None)),
        Deed::Invite(guest) => (Kind::Invited, (None, person(guest))),
        Deed::Remove(guest) => (Kind::Removed, (None, person(guest))),
    };
    (entry.kind, (entry.target, entry.person.as_ref())) == (kind, about)
        && entry.text == done.text
        && Some(&entry.actor) == person(&done.client)
}

/// Whether a client was shown this entry as it is: a text that is redacted by the end may have been hidden already.
fn shows(shown: &Shown, entry: &Stored, room: &[Stored]) -> bool {
    let target = entry.target.filter(|_| entry.kind == Kind::Edit);
    let redacted = |seq| room.iter().any(|other| other.seq == seq && other.redacted);
    let may_hide = entry.redacted || target.is_some_and(redacted);
    shown.seq == entry.seq
        && shown.kind == entry.kind.name()
        && (shown.text == entry.text || may_hide && shown.text.is_empty())
}
