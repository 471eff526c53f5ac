//! A token as text: what it says of itself, and whether its key has signed it.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};

use super::claims::{Claims, TokenError};
use super::keys::Key;

/// A token that nobody has checked yet.
pub(crate) struct Unverified<'a> {
    text: &'a str,
    algorithm: Algorithm,
    /// The id of the key that should have signed it.
    pub(crate) key_id: String,
}

impl<'a> Unverified<'a> {
    /// Reads a token's header.
    ///
    /// # Errors
    /// What is no token, or names no key, or an algorithm that is not taken.
    pub(crate) fn read(text: &'a str) -> Result<Self, TokenError> {
        let header = jsonwebtoken::decode_header(text).map_err(|_| TokenError::Malformed)?;
        if !matches!(header.alg, Algorithm::EdDSA | Algorithm::ES256) {
            return Err(TokenError::Malformed);
        }
        Ok(Self { text, algorithm: header.alg, key_id: header.kid.ok_or(TokenError::UnknownKey)? })
    }

    /// The claims, if `key` has signed them.
    ///
    /// # Errors
    /// [`TokenError::Forged`], or claims that are none.
    pub(crate) fn verify(&self, key: &Key) -> Result<Claims, TokenError> {
        if self.algorithm != key.algorithm {
            return Err(TokenError::Forged);
        }
        // Times and names are checked by us: by our clock, and with an error of its own for each.
        let mut signature_only = Validation::new(key.algorithm);
        signature_only.required_spec_claims.clear();
        (signature_only.validate_exp, signature_only.validate_aud) = (false, false);
        let read = jsonwebtoken::decode::<Claims>(self.text, &key.key, &signature_only);
        read.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Forged,
            _ => TokenError::Malformed,
        })
    }
}
