//! Why something is refused: stable numbers and reasons, and the class that a client's error code is made of.

/// The class of a refusal; the edges map it to a status code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// There is no such thing, as far as the caller may know.
    NotFound,
    /// The caller may not.
    PermissionDenied,
    /// Not in this state.
    FailedPrecondition,
    /// Never, in this form.
    InvalidArgument,
    /// It is there already.
    AlreadyExists,
    /// A bound is reached.
    ResourceExhausted,
    /// Nothing was done; ask again.
    Aborted,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $reason:literal, $kind:ident, $say:literal;)*) => {
        /// Why a command has no effect.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
        #[repr(u16)]
        pub enum Refusal {
            $($(#[$doc])* #[error($say)] $name = $number,)*
        }

        impl Refusal {
            /// All refusals.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The refusal with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The reason as clients see it (`ErrorInfo.reason`).
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)*
                }
            }

            /// Its class.
            pub const fn kind(self) -> RefusalKind {
                match self {
                    $(Self::$name => RefusalKind::$kind,)*
                }
            }
        }
    };
}

refusals! {
    /// No such room, or none that the caller may know of: one answer for both, so that nothing can be probed.
    RoomUnknown = 1, "ROOM_UNKNOWN", NotFound, "there is no such room, or it is not open to you";
    /// The room is public, and the caller is not in it.
    NotMember = 2, "NOT_MEMBER", PermissionDenied, "you are not a member of this room: join it first";
    /// The caller's role does not allow it.
    NotAllowed = 3, "NOT_ALLOWED", PermissionDenied, "your role in this room does not allow this";
    /// The room takes nothing at present.
    RoomClosed = 4, "ROOM_CLOSED", FailedPrecondition, "the room is closed";
    /// The caller was removed from the room.
    Removed = 5, "REMOVED", PermissionDenied, "you were removed from this room: an owner can invite you again";
    /// The person is a member already.
    AlreadyMember = 6, "ALREADY_MEMBER", AlreadyExists, "the person is a member already";
    /// The request id was used for something else.
    RequestReused = 7, "REQUEST_REUSED", AlreadyExists, "this request id was used for another request: draw a new one";
    /// No such message, or none that the caller sees.
    TargetUnknown = 8, "TARGET_UNKNOWN", NotFound, "there is no message at this seq that you can see";
    /// The message is redacted.
    TargetRedacted = 9, "TARGET_REDACTED", FailedPrecondition, "the message is redacted";
    /// The room would be left without an owner.
    LastOwner = 10, "LAST_OWNER", FailedPrecondition, "the room's last owner: make somebody else an owner first";
    /// The room is full.
    TooManyMembers = 11, "TOO_MANY_MEMBERS", ResourceExhausted, "the room has as many members as a room can have";
    /// The person whom the action is about is not a member.
    PersonNotMember = 12, "PERSON_NOT_MEMBER", FailedPrecondition, "the person is not a member of this room";
    /// There is a room with this id.
    RoomExists = 13, "ROOM_EXISTS", AlreadyExists, "there is a room with this id already";
    /// Direct rooms have two people, for good.
    DirectRoom = 14, "DIRECT_ROOM", FailedPrecondition, "a direct room has two people for good: this is for other rooms";
    /// Fields that do not go together.
    InvalidAction = 15, "INVALID_ACTION", InvalidArgument, "the request's fields do not fit together";
    /// Content that the action does not take, or not in this form.
    InvalidContent = 16, "INVALID_CONTENT", InvalidArgument, "the content is missing, empty, or not for this request";
    /// Text over its bound.
    TextTooLong = 17, "TEXT_TOO_LONG", InvalidArgument, "the text is longer than its bound";
    /// The policy has changed since the permit; ask again.
    PolicyChanged = 18, "POLICY_CHANGED", Aborted, "the policy has changed meanwhile: try again";
    /// Only operators may.
    NotOperator = 19, "NOT_OPERATOR", PermissionDenied, "this asks for a token with the role operator";
    /// Bounds on refusals or requests of one person.
    RateLimited = 20, "RATE_LIMITED", ResourceExhausted, "too many requests: slow down";
    /// meta: there is a cluster already.
    AlreadyFounded = 64, "ALREADY_FOUNDED", FailedPrecondition, "the cluster is founded already";
    /// meta: there is no cluster yet.
    NotFounded = 65, "NOT_FOUNDED", FailedPrecondition, "the cluster is not founded yet: wait for its nodes to find each other";
    /// meta: no such node.
    NodeUnknown = 66, "NODE_UNKNOWN", NotFound, "there is no such node: see `hansard cluster status`";
    /// meta: the node is gone for good.
    NodeRetired = 67, "NODE_RETIRED", FailedPrecondition, "the node was decommissioned, and its id is never used again: give it an empty data directory";
    /// meta: the node is not in a state for this.
    NodeState = 68, "NODE_STATE", FailedPrecondition, "the node's state does not allow this: see `hansard cluster status`";
    /// meta: the node still has replicas.
    NodeInUse = 69, "NODE_IN_USE", FailedPrecondition, "the node still holds replicas";
    /// meta: another node has this name.
    NodeNameTaken = 70, "NODE_NAME_TAKEN", AlreadyExists, "another node has this name: names are unique in a cluster";
    /// meta: no such shard.
    ShardUnknown = 71, "SHARD_UNKNOWN", NotFound, "there is no such shard: see `hansard cluster status`";
    /// meta: the placement has changed meanwhile.
    StaleEpoch = 72, "STALE_EPOCH", Aborted, "the placement has changed meanwhile: read it again";
    /// meta: no such person.
    PersonUnknown = 73, "PERSON_UNKNOWN", NotFound, "there is no such person";
    /// meta: a bound of the cluster's state is reached.
    TooMany = 74, "TOO_MANY", ResourceExhausted, "the cluster can remember no more of these";
    /// meta: the last active node.
    LastNode = 75, "LAST_NODE", FailedPrecondition, "no active node would be left";
    /// meta: policy versions only grow.
    PolicyOld = 76, "POLICY_OLD", FailedPrecondition, "a policy of this version or a newer one is in force";
}

impl Refusal {
    /// Its number in every format.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The answer to this request id for good; others are not remembered, so that the same request may be tried again.
    pub const fn is_final(self) -> bool {
        !matches!(self.kind(), RefusalKind::Aborted)
            && !matches!(self, Self::RoomClosed | Self::RequestReused | Self::NotFounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_reasons_are_unique() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(Refusal::from_number(refusal.number()), Some(*refusal));
            assert!(Refusal::ALL[..at].iter().all(|r| r.reason() != refusal.reason()), "{refusal:?}");
            assert!(refusal.reason().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{refusal:?}");
        }
    }
}
