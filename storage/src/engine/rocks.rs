//! RocksDB: one column family, no write-ahead log (the node's log is that), bounded memory.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBAccess, DBCompressionType, DBRawIteratorWithThreadMode, FlushOptions, Options,
    ReadOptions, WriteBatch as RocksBatch, WriteOptions,
};

use super::pinned::Pinned;
use super::{Engine, EngineError, View, Visit, WriteBatch, WriteOp};
use crate::error::OpenError;
use crate::options::CheckState;

/// Memory and files of the engine. Memory is bounded by `write_buffer_bytes * write_buffers + block_cache_bytes`
/// and about 10 KiB per open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RocksOptions {
    /// Bytes of one memtable.
    pub write_buffer_bytes: usize,
    /// Memtables, the ones being flushed included.
    pub write_buffers: i32,
    /// Bytes of cached blocks, indexes and filters included.
    pub block_cache_bytes: usize,
    /// Open table files.
    pub max_open_files: i32,
    /// Bloom filter bits per key.
    pub bloom_bits: u32,
    /// Background threads for flushes and compactions.
    pub background_jobs: i32,
    /// Dead bytes in blob files that nothing is done about.
    pub dead_bytes: u64,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self {
            write_buffer_bytes: 64 << 20,
            write_buffers: 3,
            block_cache_bytes: 256 << 20,
            max_open_files: 512,
            bloom_bits: 10,
            background_jobs: 2,
            dead_bytes: 256 << 20,
        }
    }
}

impl RocksOptions {
    /// With so much memory for rows that are to be written, and for blocks that were read.
    pub fn bounded(write_buffers: usize, block_cache: usize) -> Self {
        let standard = Self::default();
        let each = write_buffers / standard.write_buffers as usize;
        Self { write_buffer_bytes: each, block_cache_bytes: block_cache, ..standard }
    }
}

/// Values of so many bytes stand in files of their own: blocks of entries and of leaf hashes, but no row that changes often.
const BLOB_BYTES: u64 = 1_024;

/// The share of dead bytes in blob files from which on they are written anew without those. A third: what is written anew for a
/// dead byte is two that live.
const DEAD_SHARE: f64 = 1.0 / 3.0;

/// The option that says which share of the blob files, from the oldest on, compactions write anew: whatever they come across of
/// these, dead bytes or none. So it is 0 unless there is much to give back: entries stay for years.
const REWRITTEN: &str = "blob_garbage_collection_age_cutoff";

/// The engine of production.
pub struct RocksEngine {
    db: Arc<DB>,
    dead_bytes: u64,
    /// Blob files are written anew at present.
    rewrites: AtomicBool,
}

pub(super) fn failed(error: rocksdb::Error) -> EngineError {
    EngineError(error.into_string())
}

pub(super) fn bounded(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut read = ReadOptions::default();
    read.set_iterate_lower_bound(from);
    read.set_iterate_upper_bound(to);
    read
}

/// A damaged block ends an iteration early; only the status tells, so it is asked at the end.
pub(super) fn visit_all<D: DBAccess>(
    mut rows: DBRawIteratorWithThreadMode<'_, D>,
    reverse: bool,
    visit: &mut Visit<'_>,
) -> Result<(), EngineError> {
    if reverse {
        rows.seek_to_last()
    } else {
        rows.seek_to_first()
    }
    while let Some((key, value)) = rows.item() {
        if !visit(key, value) {
            break;
        }
        if reverse { rows.prev() } else { rows.next() }
    }
    rows.status().map_err(failed)
}

impl RocksEngine {
    /// Opens or creates the database in `dir`.
    ///
    /// # Errors
    /// RocksDB refused: damage, missing files, no permission, disk full.
    pub fn open(dir: &Path, options: &RocksOptions) -> Result<Self, EngineError> {
        let db = DB::open(&engine_options(options)?, dir).map_err(failed)?;
        Ok(Self { db: Arc::new(db), dead_bytes: options.dead_bytes, rewrites: AtomicBool::new(false) })
    }

    /// Opens or creates the database in `dir`, once `check` has accepted what it holds. RocksDB removes the files that its
    /// manifest does not name when it is opened for writing, and creates a database where `CURRENT` is missing: with a damaged
    /// manifest these would be the files that are needed.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and what `check` says; nothing was changed then.
    pub fn open_checked(dir: &Path, options: &RocksOptions, check: &mut CheckState<'_>) -> Result<Self, OpenError> {
        if dir.join("CURRENT").exists() {
            let reader = DB::open_for_read_only(&engine_options(options)?, dir, false).map_err(failed)?;
            check(&Reader(reader))?;
        } else if holds_rows(dir).map_err(OpenError::io("listing state/"))? {
            return Err(OpenError::damaged("CURRENT is missing, but files with rows are there", "state/"));
        } else {
            check(&Nothing)?;
        }
        Ok(Self::open(dir, options)?)
    }
}

/// Whether a directory has files with rows.
fn holds_rows(dir: &Path) -> io::Result<bool> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "sst" || extension == "blob") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A database that is only looked at.
struct Reader(DB);

impl View for Reader {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.0.get_pinned(key).map_err(failed)?;
        Ok(value.map(|v| Bytes::copy_from_slice(&v)))
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        visit_all(self.0.raw_iterator_opt(bounded(from, to)), reverse, visit)
    }
}

/// A database that is not there yet.
struct Nothing;

impl View for Nothing {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(None)
    }

    fn scan(&self, _: &[u8], _: &[u8], _: bool, _: &mut Visit<'_>) -> Result<(), EngineError> {
        Ok(())
    }
}

fn engine_options(from: &RocksOptions) -> Result<Options, EngineError> {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(from.block_cache_bytes).map_err(failed)?);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_bloom_filter(f64::from(from.bloom_bits), false);
    table.set_whole_key_filtering(true);
    table.set_format_version(5);
    table.set_block_size(8 << 10);

    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_paranoid_checks(true);
    options.set_block_based_table_factory(&table);
    // Message texts are sealed or short, and the figures in write-path.md are CPU-bound.
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(from.write_buffer_bytes);
    options.set_max_write_buffer_number(from.write_buffers);
    // One writer at a time: its position in the memtable is kept, so that neighbouring keys are inserted without a search.
    options.set_allow_concurrent_memtable_write(false);
    // Most point reads ask for a request id that nobody has used; a filter answers without a search.
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.1);
    // Blocks of entries are written once, and compactions move only what points to them.
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB_BYTES);
    options.set_blob_file_size(4 * from.write_buffer_bytes as u64);
    options.set_enable_blob_gc(true);
    options.set_blob_gc_age_cutoff(0.0);
    options.set_blob_gc_force_threshold(DEAD_SHARE);
    // What is flushed is keys, a megabyte at a time: twice as many files before the level below is written again.
    options.set_level_zero_file_num_compaction_trigger(8);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_max_bytes_for_level_base(4 * from.write_buffer_bytes as u64);
    options.set_target_file_size_base(from.write_buffer_bytes as u64);
    options.set_max_open_files(from.max_open_files);
    options.set_max_background_jobs(from.background_jobs);
    options.set_bytes_per_sync(1 << 20);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    Ok(options)
}

impl View for RocksEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.db.get_pinned(key).map_err(failed)?;
        Ok(value.map(|v| Bytes::copy_from_slice(&v)))
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if from >= to {
            return Ok(());
        }
        visit_all(self.db.raw_iterator_opt(bounded(from, to)), reverse, visit)
    }
}

impl Engine for RocksEngine {
    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        let mut out = RocksBatch::default();
        for op in batch.ops {
            match op {
                WriteOp::Put(key, value) => out.put(key, value),
                WriteOp::Delete(key) => out.delete(key),
                WriteOp::DeleteRange(from, to) => {
                    if from < to {
                        out.delete_range(from, to);
                    }
                }
            }
        }
        let mut write = WriteOptions::default();
        write.disable_wal(true);
        self.db.write_opt(out, &write).map_err(failed)
    }

    fn flush(&self) -> Result<(), EngineError> {
        let mut flush = FlushOptions::default();
        flush.set_wait(true);
        self.db.flush_opt(&flush).map_err(failed)
    }

    fn tidy(&self) -> Result<(), EngineError> {
        let bytes = |property: &str| Ok(self.db.property_int_value(property).map_err(failed)?.unwrap_or(0));
        let (dead, all) = (bytes("rocksdb.live-blob-file-garbage-size")?, bytes("rocksdb.live-blob-file-size")?);
        let due = dead >= self.dead_bytes && dead as f64 >= DEAD_SHARE * all as f64;
        if self.rewrites.swap(due, Ordering::Relaxed) != due {
            tracing::info!(dead, all, due, "dead bytes of the state: blob files are written anew while it is due");
            self.db.set_options(&[(REWRITTEN, if due { "1" } else { "0" })]).map_err(failed)?;
        }
        Ok(())
    }

    fn view(&self) -> Box<dyn View> {
        Box::new(Pinned::new(Arc::clone(&self.db)))
    }
}
