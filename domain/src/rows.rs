//! The only seam between the rules and storage: tables of bytes in key order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::{Bound, Deref};

use bytes::Bytes;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $number:literal),* $(,)?) => {
        /// A table of a shard. The numbers are part of storage's keys.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Table {
            $($(#[$doc])* $name = $number,)*
        }

        impl Table {
            /// Every table, in the order of their numbers.
            pub const ALL: &'static [Table] = &[$(Table::$name),*];
        }
    };
}

tables! {
    /// One row: the record's size, frontier and last time.
    Head = 0,
    /// room -> its state.
    Room = 1,
    /// room, person -> membership.
    Member = 2,
    /// person, room -> nothing: the rooms of a person.
    PersonRoom = 3,
    /// room, seq of the last of them -> entries and their contents, committed by one batch.
    Event = 4,
    /// index of the last of them -> where record entries are, or all of them.
    Record = 5,
    /// person, scope, last of the requests -> their first answers; in meta one request each.
    Dedup = 6,
    /// index / 256 -> 256 leaf hashes.
    Leaves = 7,
    /// person, room -> read mark.
    ReadMark = 8,
    /// room -> nothing: the public rooms.
    PublicRoom = 9,
    /// meta: person -> issuer, subject, epoch.
    Person = 16,
    /// meta: hash of issuer and subject -> person.
    Subject = 17,
    /// meta: node -> name, site, address, state.
    Node = 18,
    /// meta: shard -> ordinal, voters, epoch.
    Shard = 19,
    /// meta: one row: the slot table.
    Slot = 20,
    /// meta: room -> shard, epoch.
    Moved = 21,
    /// meta: hash of a token's id -> token's id, expiry.
    Revoked = 22,
    /// meta: person -> epoch, for those whose epoch is not 0.
    Epoch = 23,
    /// meta: one row: cluster, policy version, revision.
    Cluster = 24,
}

/// Rows as they were after the last change that was committed.
pub trait Rows {
    /// Why rows can't be read; the caller can only stop.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The row with this key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Self::Error>;

    /// Rows from `from` (included) to `to` (excluded), ascending, or descending if `reverse`; stops when `visit` says false.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Self::Error>;
}

/// A row's key, in place: keys are short, and there is one for each row that changes.
#[derive(Clone, Copy)]
pub struct Key {
    len: u8,
    bytes: [u8; MAX_KEY_BYTES],
}

/// Bytes of the longest key: a person, a scope and a request.
pub const MAX_KEY_BYTES: usize = 48;

impl Key {
    /// The key with these bytes, at most [`MAX_KEY_BYTES`].
    #[inline]
    pub fn new(key: &[u8]) -> Self {
        let mut bytes = [0; MAX_KEY_BYTES];
        bytes[..key.len()].copy_from_slice(key);
        Self { len: key.len() as u8, bytes }
    }
}

impl Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A row's new value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Key,
    /// The value; none deletes the row. The values of a commit may share memory.
    pub value: Option<Bytes>,
}

/// Rows in memory, for tests and models.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct MemRows {
    rows: BTreeMap<(Table, Vec<u8>), Bytes>,
}

impl MemRows {
    /// Makes the changes.
    pub fn commit(&mut self, changes: &[Change]) {
        for change in changes {
            let key = (change.table, change.key.to_vec());
            match &change.value {
                Some(value) => self.rows.insert(key, Bytes::copy_from_slice(value)),
                None => self.rows.remove(&key),
            };
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], &Bytes)> {
        self.rows.iter().map(|((table, key), value)| (*table, &key[..], value))
    }
}

impl Rows for MemRows {
    type Error = Infallible;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Infallible> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Infallible> {
        if from >= to {
            return Ok(());
        }
        let range = (Bound::Included((table, from.to_vec())), Bound::Excluded((table, to.to_vec())));
        let mut range = self.rows.range(range);
        while let Some(((_, key), value)) = if reverse { range.next_back() } else { range.next() } {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}
