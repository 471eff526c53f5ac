//! Who may change the cluster itself.

use hansard_domain::meta::MetaAction;
use hansard_domain::{PersonId, Refusal, RuleId};

use crate::{POLICY_VERSION, Principal};

/// The proof that policy was asked about a meta command, and said yes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetaPermit {
    actor: PersonId,
    action: MetaAction,
    policy: u64,
    rule: RuleId,
}

impl MetaPermit {
    /// Who may; the system for the cluster itself.
    pub fn actor(&self) -> PersonId {
        self.actor
    }

    /// What.
    pub fn action(&self) -> &MetaAction {
        &self.action
    }

    /// What, to be put into a command.
    pub fn into_action(self) -> MetaAction {
        self.action
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

/// Whether this may be asked of the meta group: by the cluster itself (`None`), or by a person.
pub fn decide_meta(principal: Option<&Principal>, action: MetaAction) -> Result<MetaPermit, Refusal> {
    let (actor, rule) = match principal {
        None => (PersonId::SYSTEM, RuleId::ClusterKeepsItself),
        Some(principal) => (principal.person, person_may(principal, &action)?),
    };
    Ok(MetaPermit { actor, action, policy: POLICY_VERSION, rule })
}

fn person_may(principal: &Principal, action: &MetaAction) -> Result<RuleId, Refusal> {
    match action {
        // Whoever is logged in may invite somebody who has not come yet.
        MetaAction::EnrollPerson { .. } => Ok(RuleId::ClusterKeepsItself),
        MetaAction::RevokeToken { .. }
        | MetaAction::RevokePerson { .. }
        | MetaAction::ActivateNode(_)
        | MetaAction::DecommissionNode(_) => match principal.operator {
            true => Ok(RuleId::OperatorsOperate),
            false => Err(Refusal::NotOperator),
        },
        // Derived from what operators want, by the cluster alone.
        MetaAction::Found { .. }
        | MetaAction::RegisterNode(_)
        | MetaAction::RetireNode(_)
        | MetaAction::SetPlacement { .. }
        | MetaAction::MoveRoom { .. }
        | MetaAction::SetPolicy(_) => Err(Refusal::NotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_operators_operate_and_nobody_plays_the_cluster() {
        let person = PersonId::from_bytes([1; 16]);
        let (plain, operator) = (Principal { person, operator: false }, Principal { person, operator: true });
        let decommission = MetaAction::DecommissionNode(7);
        assert_eq!(decide_meta(Some(&plain), decommission.clone()), Err(Refusal::NotOperator));
        let permit = decide_meta(Some(&operator), decommission).expect("operators may");
        assert_eq!((permit.actor(), permit.rule()), (person, RuleId::OperatorsOperate));
        assert_eq!(decide_meta(Some(&operator), MetaAction::RetireNode(7)), Err(Refusal::NotAllowed));
        assert!(decide_meta(None, MetaAction::RetireNode(7)).is_ok());
    }
}
