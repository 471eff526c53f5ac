//! Roles and visibilities: the numbers are the same everywhere, 0 stands for "not said".

use hansard_domain::{Role, Visibility};

use super::ConvertError;
use crate::v1;

impl From<Role> for v1::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Member => Self::Member,
            Role::Guest => Self::Guest,
        }
    }
}

impl From<Visibility> for v1::Visibility {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Private => Self::Private,
            Visibility::Direct => Self::Direct,
        }
    }
}

/// A role that a client wrote; `None` if it was not said.
pub fn role_of(field: &'static str, number: i32) -> Result<Option<Role>, ConvertError> {
    optional(field, number, Role::from_number, "a role")
}

/// A visibility that a client wrote; `None` if it was not said.
pub fn visibility_of(field: &'static str, number: i32) -> Result<Option<Visibility>, ConvertError> {
    optional(field, number, Visibility::from_number, "a visibility")
}

/// A role that a node or router wrote; `None` if it was not said.
pub fn role_of_number(field: &'static str, number: u32) -> Result<Option<Role>, ConvertError> {
    optional(field, number, Role::from_number, "a role")
}

/// A visibility that a node or router wrote; `None` if it was not said.
pub fn visibility_of_number(field: &'static str, number: u32) -> Result<Option<Visibility>, ConvertError> {
    optional(field, number, Visibility::from_number, "a visibility")
}

fn optional<N, T>(
    field: &'static str,
    number: N,
    from: fn(u8) -> Option<T>,
    what: &str,
) -> Result<Option<T>, ConvertError>
where
    N: TryInto<u8> + std::fmt::Display + Copy,
{
    match number.try_into().ok() {
        Some(0) => Ok(None),
        small => {
            small.and_then(from).map(Some).ok_or_else(|| ConvertError::new(field, format!("{number} is not {what}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_everywhere() {
        for role in Role::ALL.iter().copied() {
            let wire = v1::Role::from(role) as i32;
            assert_eq!(wire, i32::from(role.number()));
            assert_eq!(role_of("role", wire), Ok(Some(role)));
            assert_eq!(role_of_number("role", u32::from(role.number())), Ok(Some(role)));
        }
        for visibility in Visibility::ALL.iter().copied() {
            let wire = v1::Visibility::from(visibility) as i32;
            assert_eq!(wire, i32::from(visibility.number()));
            assert_eq!(visibility_of("visibility", wire), Ok(Some(visibility)));
            assert_eq!(visibility_of_number("visibility", u32::from(visibility.number())), Ok(Some(visibility)));
        }
    }

    #[test]
    fn unknown_numbers_are_refused() {
        assert_eq!(role_of("role", 0), Ok(None));
        for number in [-1, 4, 257, i32::MAX] {
            assert!(role_of("role", number).is_err(), "{number}");
        }
    }
}
