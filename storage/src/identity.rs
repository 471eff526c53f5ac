//! Who a data directory belongs to.

use hansard_domain::ClusterId;
use hansard_failpoint::{self as failpoint, Point};

use crate::codec::{CodecError, Cursor};
use crate::disk::Disk;
use crate::error::OpenError;

/// File name in the data directory.
pub(crate) const FILE: &str = "IDENTITY";
const MAGIC: &[u8; 8] = b"HANSARDI";
const VERSION: u8 = 1;

/// Ids of a store, fixed when its directory was made (the cluster: when it joined one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Random id of this directory; log segments and state carry it.
    pub store: [u8; 16],
    /// The node's id in consensus. Never reused: an empty directory gets a new one.
    pub node: u64,
    /// The cluster, once known.
    pub cluster: Option<ClusterId>,
}

impl Identity {
    /// `magic ‖ version ‖ store ‖ node ‖ has cluster ‖ cluster ‖ CRC32C`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.extend_from_slice(&self.store);
        out.extend_from_slice(&self.node.to_be_bytes());
        out.push(u8::from(self.cluster.is_some()));
        let cluster = self.cluster.map_or([0; 16], |c| *c.as_bytes());
        out.extend_from_slice(&cluster);
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// The version is looked at before the checksum: a newer format may have another length.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(MAGIC.len())? != MAGIC {
            return Err(CodecError::Range);
        }
        cursor.version(VERSION)?;
        let store = cursor.array()?;
        let node = cursor.u64()?;
        let has_cluster = cursor.flag()?;
        let cluster: [u8; 16] = cursor.array()?;
        let crc = cursor.u32()?;
        cursor.finish()?;
        if crc != crc32c::crc32c(&bytes[..bytes.len() - 4]) {
            return Err(CodecError::Checksum);
        }
        if !has_cluster && cluster != [0; 16] {
            return Err(CodecError::Range);
        }
        Ok(Self { store, node, cluster: has_cluster.then(|| ClusterId::from_bytes(cluster)) })
    }

    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Self>, OpenError> {
        let Some(bytes) = disk.read(FILE).map_err(OpenError::io("reading IDENTITY"))? else {
            return Ok(None);
        };
        match Self::decode(&bytes) {
            Ok(identity) => Ok(Some(identity)),
            Err(CodecError::Version(found)) if found > VERSION => {
                Err(OpenError::NewerFormat { what: FILE, found, known: VERSION })
            }
            Err(error) => Err(OpenError::damaged(format!("unreadable: {error}"), FILE)),
        }
    }

    pub(crate) fn write(&self, disk: &dyn Disk) -> std::io::Result<()> {
        failpoint::io(Point::IdentityWrite)?;
        disk.replace(FILE, &self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let identity = Identity {
            store: [0x11; 16],
            node: 0x0102_0304_0506_0708,
            cluster: Some(ClusterId::from_bytes([0x22; 16])),
        };
        crate::golden::check("identity", &identity.encode());
        assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = Identity { store: [7; 16], node: 9, cluster: None }.encode();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::decode(&damaged).is_err(), "bit {bit}");
        }
    }
}
