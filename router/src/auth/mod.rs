//! Who holds a token. No token and no claim of one is ever logged.

mod claims;
mod fetch;
mod keys;
mod people;
#[cfg(test)]
mod tests;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use hansard_domain::PersonId;
use hansard_proto::cluster::v1::ResolvePerson;
use hansard_proto::cluster::v1::node_call::Call;
use hansard_proto::cluster::v1::node_reply::Outcome;
use hansard_proto::rpc::Status;
use hansard_runtime::Clock;
use hansard_runtime::net::Transport;

pub(crate) use claims::{Checked, TokenError, Wanted};
pub use fetch::FetchError;
pub use keys::KeysError;
pub(crate) use keys::{Key, Set, parse};
pub(crate) use token::Unverified;

use crate::config::RouterConfig;
use crate::directory::{Directory, Target};
use crate::metrics::{Metrics, Why};
use crate::principal::Principal;
use crate::refuse;
use crate::upstream::Upstream;
use fetch::Fetch;
use keys::{Keys, Source};
use people::{Known, People};

/// Checks tokens and finds out who holds them.
pub(crate) struct Auth {
    keys: Keys,
    wanted: Wanted,
    people: People,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl Auth {
    /// Loads the keys; a URL that does not answer yet is asked again later.
    ///
    /// # Errors
    /// When the file or the URL cannot be used.
    pub(crate) async fn new(
        config: &RouterConfig,
        directory: Arc<Directory>,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, KeysError> {
        let jwks = config.jwks.as_str();
        let source = match jwks.starts_with("http://") || jwks.starts_with("https://") {
            true => Source::Url(Fetch::new(jwks, config.jwks_ca.as_deref(), transport)?),
            false => Source::File(PathBuf::from(jwks)),
        };
        let remote = matches!(source, Source::Url(_));
        let keys = Keys::new(source, metrics.jwks_failures.clone());
        match keys.start().await {
            Err(error) if remote => {
                tracing::warn!(%error, "no keys yet: nobody can be admitted until they are there");
            }
            started => started?,
        }
        let wanted = Wanted { issuer: config.issuer.clone(), audience: config.audience.clone() };
        Ok(Self { keys, wanted, people: People::default(), directory, clock, metrics })
    }

    /// Renews the keys, for ever.
    pub(crate) async fn keep(&self) {
        self.keys.keep().await;
    }

    /// Finds out who holds a token.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with the reason, or `UNAVAILABLE` when that cannot be found out now.
    pub(crate) async fn admit(&self, token: &str, upstream: &Upstream) -> Result<Principal, Status> {
        self.directory.check_fresh()?;
        let checked = self.verify(token).await.map_err(|error| self.rejected(error))?;
        let known = self.resolve(&checked, upstream).await?;
        let principal = Principal {
            person: known.person,
            epoch: known.epoch.max(self.directory.person_revoked(known.person).1),
            operator: checked.operator,
            issuer: checked.issuer,
            token_id: checked.token_id,
            issued_s: checked.issued_s,
            expires_s: checked.expires_s,
        };
        self.check_revoked(&principal, known.not_before_s).map_err(|error| self.rejected(error))?;
        Ok(principal)
    }

    /// Whether a principal's token has been revoked; `not_before_s` is what meta said at login.
    ///
    /// # Errors
    /// [`TokenError::Revoked`].
    pub(crate) fn check_revoked(&self, principal: &Principal, not_before_s: i64) -> Result<(), TokenError> {
        let by_id = principal.token_id.as_deref().is_some_and(|id| self.directory.token_revoked(id));
        let by_person = self.directory.person_revoked(principal.person).0.max(not_before_s) > principal.issued_s;
        if by_id || by_person { Err(TokenError::Revoked) } else { Ok(()) }
    }

    /// Checks a token's signature and claims.
    async fn verify(&self, token: &str) -> Result<Checked, TokenError> {
        let token = Unverified::read(token)?;
        let key = self.keys.find(&token.key_id).await.ok_or(TokenError::UnknownKey)?;
        token.verify(&key)?.check(&self.wanted, self.clock.now_us())
    }

    async fn resolve(&self, checked: &Checked, upstream: &Upstream) -> Result<Known, Status> {
        if let Some(known) = self.people.get(&checked.issuer, &checked.subject) {
            return Ok(known);
        }
        let (issuer, subject) = (checked.issuer.to_string(), checked.subject.clone());
        let call = Call::ResolvePerson(ResolvePerson { issuer, subject, only_known: false });
        let Outcome::Person(view) = upstream.call(None, Target::Meta, call).await? else {
            return Err(refuse::wrong_answer().into_status());
        };
        let person = PersonId::from_slice(&view.person).map_err(|_| refuse::wrong_answer().into_status())?;
        let known = Known { person, epoch: view.epoch, not_before_s: view.not_before_s };
        self.people.put(checked.issuer.clone(), checked.subject.clone(), known);
        Ok(known)
    }

    fn rejected(&self, error: TokenError) -> Status {
        self.metrics.rejected.get_or_create(&Why { reason: error.label().to_owned() }).inc();
        refuse::unauthenticated(error.reason(), &error.to_string())
    }
}
