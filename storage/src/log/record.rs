//! What a record says.

use bytes::Bytes;
use hansard_domain::ShardId;

use crate::codec::{CodecError, Cursor, put_varint};
use crate::mark::{LogPosition, Vote};

/// The small state of one shard, as the checkpoint at the start of a segment repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardState {
    /// Local number, never used again.
    pub(crate) number: u32,
    pub(crate) id: ShardId,
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogPosition>,
    pub(crate) last: Option<LogPosition>,
}

/// A record; its shard stands in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// All shards as they are here. The first record of each segment, so that earlier ones are needed for their
    /// entries only.
    Checkpoint {
        /// The next shard number to give out.
        next_shard: u32,
        shards: Vec<ShardState>,
    },
    /// A shard gets its number.
    Create(ShardId),
    /// A shard leaves this node.
    Remove,
    /// An entry, framed.
    Entry(Bytes),
    /// A vote.
    Vote(Vote),
    /// Entries after this one are void.
    Truncate(Option<LogPosition>),
    /// Entries up to here are not needed. `reset`: those after it are void too, a snapshot took their place.
    Purge { upto: LogPosition, reset: bool },
    /// An entry written again, because its first place is in a segment that is to go.
    Relocated(Bytes),
}

fn put_position(out: &mut Vec<u8>, position: Option<LogPosition>) {
    out.push(u8::from(position.is_some()));
    if let Some((term, index)) = position {
        out.extend_from_slice(&term.to_be_bytes());
        out.extend_from_slice(&index.to_be_bytes());
    }
}

fn position(cursor: &mut Cursor<'_>) -> Result<Option<LogPosition>, CodecError> {
    if !cursor.flag()? {
        return Ok(None);
    }
    Ok(Some((cursor.u64()?, cursor.u64()?)))
}

fn put_vote(out: &mut Vec<u8>, vote: &Vote) {
    out.extend_from_slice(&vote.term.to_be_bytes());
    out.extend_from_slice(&vote.node.to_be_bytes());
    out.push(u8::from(vote.committed));
}

fn vote(cursor: &mut Cursor<'_>) -> Result<Vote, CodecError> {
    Ok(Vote { term: cursor.u64()?, node: cursor.u64()?, committed: cursor.flag()? })
}

impl Record {
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Checkpoint { .. } => 1,
            Self::Create(_) => 2,
            Self::Remove => 3,
            Self::Entry(_) => 4,
            Self::Vote(_) => 5,
            Self::Truncate(_) => 6,
            Self::Purge { .. } => 7,
            Self::Relocated(_) => 8,
        }
    }

    /// Whether it can make other entries needless.
    pub(crate) fn frees(&self) -> bool {
        matches!(self, Self::Purge { .. } | Self::Truncate(_) | Self::Remove | Self::Relocated(_))
    }

    /// The body; shares the frame of an entry.
    pub(crate) fn body(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Entry(frame) | Self::Relocated(frame) => return frame.clone(),
            Self::Remove => {}
            Self::Create(id) => out.extend_from_slice(id.as_bytes()),
            Self::Vote(v) => put_vote(&mut out, v),
            Self::Truncate(last) => put_position(&mut out, *last),
            Self::Purge { upto, reset } => {
                put_position(&mut out, Some(*upto));
                out.push(u8::from(*reset));
            }
            Self::Checkpoint { next_shard, shards } => {
                out.extend_from_slice(&next_shard.to_be_bytes());
                put_varint(&mut out, shards.len() as u64);
                for shard in shards {
                    out.extend_from_slice(&shard.number.to_be_bytes());
                    out.extend_from_slice(shard.id.as_bytes());
                    out.push(u8::from(shard.vote.is_some()));
                    if let Some(v) = &shard.vote {
                        put_vote(&mut out, v);
                    }
                    put_position(&mut out, shard.purged);
                    put_position(&mut out, shard.last);
                }
            }
        }
        out.into()
    }

    pub(crate) fn decode(kind: u8, body: &Bytes) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(body);
        let record = match kind {
            1 => checkpoint(&mut cursor)?,
            2 => Self::Create(ShardId::from_bytes(cursor.array()?)),
            3 => Self::Remove,
            4 => return Ok(Self::Entry(body.clone())),
            5 => Self::Vote(vote(&mut cursor)?),
            6 => Self::Truncate(position(&mut cursor)?),
            7 => {
                let upto = position(&mut cursor)?.ok_or(CodecError::Range)?;
                Self::Purge { upto, reset: cursor.flag()? }
            }
            8 => return Ok(Self::Relocated(body.clone())),
            _ => return Err(CodecError::Range),
        };
        cursor.finish()?;
        Ok(record)
    }
}

fn checkpoint(cursor: &mut Cursor<'_>) -> Result<Record, CodecError> {
    let next_shard = cursor.u32()?;
    let mut shards = Vec::new();
    for _ in 0..cursor.varint()? {
        let number = cursor.u32()?;
        let id = ShardId::from_bytes(cursor.array()?);
        let vote = if cursor.flag()? { Some(vote(cursor)?) } else { None };
        let (purged, last) = (position(cursor)?, position(cursor)?);
        shards.push(ShardState { number, id, vote, purged, last });
    }
    Ok(Record::Checkpoint { next_shard, shards })
}

#[cfg(test)]
mod tests {
    use super::super::format::{RecordHeader, RecordKey, put_record};
    use super::*;
    use crate::entry::LogEntry;

    fn samples() -> Vec<Record> {
        let id = ShardId::from_bytes([0x33; 16]);
        let vote = Vote { term: 3, node: 0xabcd, committed: true };
        let state = ShardState { number: 2, id, vote: Some(vote), purged: Some((1, 4)), last: Some((3, 9)) };
        let empty = ShardState { number: 3, id, vote: None, purged: None, last: None };
        vec![
            Record::Checkpoint { next_shard: 4, shards: vec![state, empty] },
            Record::Create(id),
            Record::Remove,
            Record::Entry(LogEntry::new(3, 7, b"payload").encoded()),
            Record::Vote(vote),
            Record::Truncate(Some((2, 6))),
            Record::Purge { upto: (2, 5), reset: false },
            Record::Relocated(LogEntry::new(1, 2, b"again").encoded()),
        ]
    }

    #[test]
    fn golden() {
        let mut bytes = Vec::new();
        for (i, record) in samples().iter().enumerate() {
            let header = RecordHeader { kind: record.kind(), lsn: 100 + i as u64, delta: i as u32, epoch: 2, shard: 2 };
            put_record(RecordKey::of([0x77; 16]), &mut bytes, &header, &record.body());
            assert_eq!(Record::decode(record.kind(), &record.body()).as_ref(), Ok(record));
        }
        crate::golden::check("records", &bytes);
    }

    #[test]
    fn unknown_kinds_and_long_bodies_are_refused() {
        assert_eq!(Record::decode(9, &Bytes::new()), Err(CodecError::Range));
        assert_eq!(Record::decode(3, &Bytes::from_static(b"x")), Err(CodecError::Long(1)));
    }
}
