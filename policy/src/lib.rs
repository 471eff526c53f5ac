//! Who may do what, before anything is proposed.
//!
//! Pure: actor, action and facts in; a [`Permit`] or a refusal out. Nothing can be proposed without a permit, and nobody
//! but this crate makes one. Apply asks the same rules again, as facts may change between permit and commit.

use hansard_domain::{Action, Content, Facts, PersonId, Refusal, RuleId, authorize};

mod content;
mod operate;

pub use operate::{MetaPermit, decide_meta};

/// The version of these rules. Raise it whenever the access matrix changes: apply refuses older permits from then on.
pub const POLICY_VERSION: u64 = 1;

/// Who asks, as the edge has authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Principal {
    /// The person.
    pub person: PersonId,
    /// The token has the role "operator".
    pub operator: bool,
}

/// The proof that policy was asked, and said yes: for this person and this action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permit {
    actor: PersonId,
    action: Action,
    policy: u64,
    rule: RuleId,
}

impl Permit {
    /// Who may.
    pub fn actor(&self) -> PersonId {
        self.actor
    }

    /// What.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// By which version of the policy.
    pub fn policy(&self) -> u64 {
        self.policy
    }

    /// By which rule.
    pub fn rule(&self) -> RuleId {
        self.rule
    }
}

/// Whether `actor` may do this with this content, as the facts stand. The content is judged first: what is malformed is
/// refused in the same way to everybody, and tells nothing about the room.
pub fn decide(actor: PersonId, action: &Action, content: &Content, facts: &Facts<'_>) -> Result<Permit, Refusal> {
    if actor == PersonId::SYSTEM {
        return Err(Refusal::NotAllowed);
    }
    content::check(action, content)?;
    let rule = authorize(actor, action, facts)?;
    Ok(Permit { actor, action: *action, policy: POLICY_VERSION, rule })
}
