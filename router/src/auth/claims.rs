//! What a token says, and whether that is good enough.

use std::sync::Arc;

use hansard_domain::limits::{MAX_SUBJECT_BYTES, MAX_TOKEN_ID_BYTES};
use serde::Deserialize;

use crate::limits::TOKEN_LEEWAY_S;
use crate::reason;

/// Why a token is not admitted. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It is no JWT, or of an algorithm that is not taken.
    #[error("this is no JWT signed with EdDSA or ES256")]
    Malformed,
    /// Its key is not among those that are trusted.
    #[error("the token's key is not known here; is it of the right issuer?")]
    UnknownKey,
    /// Its signature does not fit.
    #[error("the token's signature does not fit its key")]
    Forged,
    /// A claim that must be there is missing.
    #[error("the token needs the claims iss, sub, aud, exp and iat")]
    Incomplete,
    /// It is of another issuer.
    #[error("the token is of another issuer")]
    WrongIssuer,
    /// It is for another audience.
    #[error("the token is for another audience")]
    WrongAudience,
    /// Its time is over.
    #[error("the token has expired; come back with a new one")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet; are the clocks right?")]
    TooEarly,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
}

impl TokenError {
    /// The reason that clients are told.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Malformed | Self::UnknownKey | Self::Forged | Self::Incomplete | Self::TooEarly => {
                reason::TOKEN_INVALID
            }
            Self::WrongIssuer => reason::TOKEN_WRONG_ISSUER,
            Self::WrongAudience => reason::TOKEN_WRONG_AUDIENCE,
            Self::Expired => reason::TOKEN_EXPIRED,
            Self::Revoked => reason::TOKEN_REVOKED,
        }
    }

    /// The label that metrics count it under; finer than the reason.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::Incomplete => "incomplete",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::TooEarly => "too_early",
            Self::Revoked => "revoked",
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A token's claims, as far as they matter. Not printable: they are nobody's business.
#[derive(Deserialize)]
pub(crate) struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

/// Claims that hold.
pub(crate) struct Checked {
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: String,
    pub(crate) token_id: Option<Arc<str>>,
    pub(crate) issued_s: i64,
    pub(crate) expires_s: i64,
    pub(crate) operator: bool,
}

/// Whom tokens must be of and for.
pub(crate) struct Wanted {
    pub(crate) issuer: String,
    pub(crate) audience: String,
}

impl Claims {
    /// Checks the claims of a token whose signature holds.
    pub(crate) fn check(self, wanted: &Wanted, now_us: i64) -> Result<Checked, TokenError> {
        let now_s = now_us.div_euclid(1_000_000);
        let (Some(issuer), Some(subject), Some(audience)) = (self.iss, self.sub, self.aud) else {
            return Err(TokenError::Incomplete);
        };
        let (Some(expires), Some(issued)) = (self.exp, self.iat) else { return Err(TokenError::Incomplete) };
        if issuer != wanted.issuer {
            return Err(TokenError::WrongIssuer);
        }
        let ours = match &audience {
            Audience::One(one) => *one == wanted.audience,
            Audience::Many(many) => many.contains(&wanted.audience),
        };
        if !ours {
            return Err(TokenError::WrongAudience);
        }
        if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES {
            return Err(TokenError::Incomplete);
        }
        if self.jti.as_ref().is_some_and(|id| id.len() > MAX_TOKEN_ID_BYTES) {
            return Err(TokenError::Incomplete);
        }
        // Saturating casts: absurd times stay absurd.
        let (expires_s, issued_s) = (expires as i64, issued as i64);
        if expires_s <= now_s {
            return Err(TokenError::Expired);
        }
        let begins_s = self.nbf.map_or(issued_s, |nbf| (nbf as i64).max(issued_s));
        if begins_s > now_s.saturating_add(TOKEN_LEEWAY_S) {
            return Err(TokenError::TooEarly);
        }
        Ok(Checked {
            issuer: issuer.into(),
            subject,
            token_id: self.jti.map(Into::into),
            issued_s,
            expires_s,
            operator: self.roles.iter().any(|role| role == "operator"),
        })
    }
}
