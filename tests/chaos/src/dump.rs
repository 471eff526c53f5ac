//! The record of a stopped node as a history; see `hansard_checker::format`. Reads by the product's own code: that is the
//! only thing that understands its files. What it reads is hashed anew by the checker.

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use hansard_checker::Writer;
use hansard_checker::format::{Kind, Node};
use hansard_domain::meta::Meta;
use hansard_domain::{Body, Rows, Shard, ShardId, read};
use hansard_storage::{FreshIdentity, Options, RocksOptions, Store};

use crate::args;

/// Writes the history of the node in a directory.
pub(crate) fn dump(args: &args::Dump) -> Result<()> {
    // An empty directory would become a node, if there were one.
    ensure!(args.data.join("IDENTITY").exists(), "{} holds no node", args.data.display());
    let options = Options::new(&args.data, FreshIdentity { store: [0; 16], node: 1 });
    let store = Store::open_real(options, RocksOptions::default())?;
    let mut out = Writer::create(&args.out, Kind::Node, &args.name)?;
    let shards = store.shards();
    for id in &shards {
        record(&mut out, *id, &store.shard(*id)?.rows()).with_context(|| format!("shard {id}"))?;
    }
    out.line(&Node::End { shards: shards.len() as u64 })?;
    out.finish()?;
    Ok(store.close()?)
}

fn record<R: Rows>(out: &mut Writer, id: ShardId, rows: &R) -> Result<()> {
    let (size, root) = if id == ShardId::META {
        let meta = Meta::load(rows)?;
        (meta.record_size(), meta.record_root())
    } else {
        let shard = Shard::load(id, rows)?;
        (shard.record_size(), shard.record_root())
    };
    out.line(&Node::Shard { id: &id.to_string(), size, root: &HEXLOWER.encode(&root) })?;
    for index in 0..size {
        let leaf = read::leaf(rows, id, index)?.with_context(|| format!("entry {index} is missing"))?;
        let header = HEXLOWER.encode(&leaf.header.encode());
        match leaf.body {
            Body::Kept { salt, content } => {
                let (salt, content) = (HEXLOWER.encode(&salt.0), HEXLOWER.encode(&content.bytes));
                out.line(&Node::Entry { header: &header, salt: &salt, content: &content })?;
            }
            Body::Erased(commitment) => {
                out.line(&Node::Erased { header: &header, commitment: &HEXLOWER.encode(&commitment.0) })?;
            }
        }
    }
    Ok(())
}
