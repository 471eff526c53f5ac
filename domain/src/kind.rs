//! Kinds of record entries. The numbers are formats: they never change, and are never used again.

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What a record entry is about.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            /// All kinds, the reserved ones included.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name that clients see.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// A room came to be; always its seq 1.
    RoomCreated = 1, "room_created";
    /// Something was said.
    Message = 2, "message";
    /// A message has a new text.
    Edit = 3, "edit";
    /// A message is hidden.
    Redaction = 4, "redaction";
    /// Somebody came in.
    Joined = 5, "joined";
    /// Somebody left.
    Left = 6, "left";
    /// Somebody was made a member.
    Invited = 7, "invited";
    /// Somebody was removed.
    Removed = 8, "removed";
    /// A member has a new role.
    Role = 9, "role";
    /// The room has a new topic.
    Topic = 10, "topic";
    /// Reserved: the room takes nothing more here, as it moves.
    RoomClosed = 11, "room_closed";
    /// Reserved: the room goes on here.
    RoomOpened = 12, "room_opened";
    /// Reserved: content must be kept.
    HoldPlaced = 13, "hold_placed";
    /// Reserved: a hold has ended.
    HoldLifted = 14, "hold_lifted";
    /// Reserved: somebody accepted a notice.
    NoticeAccepted = 15, "notice_accepted";
    /// Reserved: a file.
    File = 16, "file";
    /// Reserved: a reaction to a message.
    Reaction = 17, "reaction";
    /// Reserved: a message starts a thread.
    ThreadParent = 18, "thread_parent";
    /// Reserved: content was erased, on this legal ground.
    Erased = 19, "erased";
    /// Reserved: how long content is kept.
    RetentionSet = 20, "retention_set";
    /// A request id was taken in a person's own scope.
    Claimed = 32, "claimed";
    /// Something was refused, once or many times.
    Refused = 33, "refused";
    /// Reserved: somebody logged in.
    SessionOpened = 34, "session_opened";
    /// Reserved: a session ended.
    SessionClosed = 35, "session_closed";
    /// Reserved: an auditor read something.
    AuditorRead = 36, "auditor_read";
    /// Reserved: something was exported.
    Export = 37, "export";
    /// The cluster was founded.
    ClusterFounded = 64, "cluster_founded";
    /// A person got an id.
    PersonEnrolled = 65, "person_enrolled";
    /// A token was revoked.
    TokenRevoked = 66, "token_revoked";
    /// All tokens of a person were revoked.
    PersonRevoked = 67, "person_revoked";
    /// A node was seen for the first time, or has a new address.
    NodeRegistered = 68, "node_registered";
    /// A node takes its share of the shards.
    NodeActivated = 69, "node_activated";
    /// A node gives up its shards.
    NodeDecommissioning = 70, "node_decommissioning";
    /// A node is gone for good.
    NodeRetired = 71, "node_retired";
    /// A shard has new voters.
    PlacementSet = 72, "placement_set";
    /// A room has another shard.
    RoomMoved = 73, "room_moved";
    /// A new policy is in force.
    PolicySet = 74, "policy_set";
}

impl Kind {
    /// Its number in every format.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!(Kind::from_number(0), None);
    }
}
