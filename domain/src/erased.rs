//! Rows whose kind and errors are forgotten, so that the state machines are compiled once, here, and not again in each crate that
//! has rows of its own.

use std::cell::OnceCell;

use bytes::Bytes;

use crate::rows::{Rows, Table};

/// Rows can't be read; the reason is with [`Guard`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rows can't be read")]
pub(crate) struct Unread;

/// Lends rows to a state machine, and keeps the error that one of them fails with.
pub(crate) struct Guard<'a, R: Rows> {
    rows: &'a R,
    error: OnceCell<R::Error>,
}

impl<'a, R: Rows> Guard<'a, R> {
    pub(crate) fn new(rows: &'a R) -> Self {
        Self { rows, error: OnceCell::new() }
    }

    /// Gives the error back that a result stands for.
    pub(crate) fn release<T>(self, result: Result<T, Unread>) -> Result<T, R::Error> {
        result.map_err(|Unread| self.error.into_inner().expect("what was not read has a reason"))
    }

    fn keep<T>(&self, result: Result<T, R::Error>) -> Result<T, Unread> {
        result.map_err(|error| {
            // The first one counts: nothing is read after it.
            let _ = self.error.set(error);
            Unread
        })
    }
}

trait Readable {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Unread>;
    fn scan(&self, table: Table, range: (&[u8], &[u8]), reverse: bool, visit: &mut Visit<'_>) -> Result<(), Unread>;
}

type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

impl<R: Rows> Readable for Guard<'_, R> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Unread> {
        self.keep(self.rows.get(table, key))
    }

    fn scan(&self, table: Table, range: (&[u8], &[u8]), reverse: bool, visit: &mut Visit<'_>) -> Result<(), Unread> {
        self.keep(self.rows.scan(table, range.0, range.1, reverse, visit))
    }
}

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct Erased<'a>(&'a dyn Readable);

impl<'a> Erased<'a> {
    pub(crate) fn new<R: Rows>(guard: &'a Guard<'a, R>) -> Self {
        Self(guard)
    }
}

impl Rows for Erased<'_> {
    type Error = Unread;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Unread> {
        self.0.get(table, key)
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), Unread> {
        self.0.scan(table, (from, to), reverse, visit)
    }
}
