//! The rows that a commit will change, while they are gathered: most values are short, and stand in one piece of memory.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;

use crate::rows::{Change, Key, MAX_KEY_BYTES, Table};

/// A key, padded with zeros: unambiguous, as all keys of a table are equally long.
type IndexKey = (Table, [u8; MAX_KEY_BYTES]);

#[derive(Default)]
pub(crate) struct Changes {
    rows: Vec<(Table, Key, Value)>,
    short: Vec<u8>,
    /// Rows that may be read or changed again.
    index: HashMap<IndexKey, usize>,
}

enum Value {
    None,
    Short(Range<usize>),
    Long(Vec<u8>),
}

/// Bytes and rows of short messages, a command each, rounded up; and what a batch costs besides.
const BYTES: (usize, usize) = (448, 4 * 1_024);
const ROWS: (usize, usize) = (2, 8);
/// Of this no more is expected, however many commands there are.
const EXPECTED_BYTES: usize = 512 * 1_024;

impl Changes {
    /// Room for what so many commands are expected to change.
    pub(crate) fn with_capacity(commands: usize) -> Self {
        let bytes = (BYTES.0 * commands + BYTES.1).min(EXPECTED_BYTES);
        let rows = (ROWS.0 * commands + ROWS.1).min(EXPECTED_BYTES / BYTES.0);
        Self { rows: Vec::with_capacity(rows), short: Vec::with_capacity(bytes), index: HashMap::new() }
    }

    /// Writes a row whose key is new, and which will not be read before the commit.
    pub(crate) fn put_new(&mut self, table: Table, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.short.len();
        write(&mut self.short);
        self.rows.push((table, Key::new(key), Value::Short(start..self.short.len())));
    }

    /// The same, with a value that is there already and need not be copied.
    pub(crate) fn put_long(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.rows.push((table, Key::new(key), Value::Long(value)));
    }

    /// Changes a row; its last value counts.
    pub(crate) fn put(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) {
        let value = value.map_or(Value::None, Value::Long);
        let at = *self.index.entry(index_key(table, key)).or_insert(self.rows.len());
        match self.rows.get_mut(at) {
            Some(row) => row.2 = value,
            None => self.rows.push((table, Key::new(key), value)),
        }
    }

    /// A row that was changed by [`Changes::put`]; the inner none: it was deleted.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Option<Option<Bytes>> {
        let at = *self.index.get(&index_key(table, key))?;
        Some(match &self.rows[at].2 {
            Value::None => None,
            Value::Short(range) => Some(Bytes::copy_from_slice(&self.short[range.clone()])),
            Value::Long(value) => Some(Bytes::copy_from_slice(value)),
        })
    }

    /// All of them, one for each row.
    pub(crate) fn finish(self) -> Vec<Change> {
        let short = Bytes::from(self.short);
        let change = |(table, key, value)| {
            let value = match value {
                Value::None => None,
                Value::Short(range) => Some(short.slice(range)),
                Value::Long(value) => Some(Bytes::from(value)),
            };
            Change { table, key, value }
        };
        self.rows.into_iter().map(change).collect()
    }
}

fn index_key(table: Table, key: &[u8]) -> IndexKey {
    let mut padded = [0; MAX_KEY_BYTES];
    padded[..key.len()].copy_from_slice(key);
    (table, padded)
}
