//! Files of a node are damaged while it is down. It must refuse to start and leave them alone, so that its operator can mend
//! them; a node that runs all the same is not to be trusted, and is wiped and replaced.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{Fault, Kind, Lane, Outcome, only};
use crate::claims::Needs;
use crate::damage::{MANNERS, Manner, TARGETS, Target, copy, damage, mend};
use crate::members::{await_gone, replace};
use crate::progress::of_node;
use crate::rig::Rig;
use crate::slot::{STOP, Slot};

pub(super) const KIND: Kind = Kind {
    name: "corrupt",
    lane: Lane::Displace,
    needs: Needs::Node,
    seconds: 0..=0,
    draw: |dice, _| Box::new(Corrupt { dice: StdRng::seed_from_u64(dice.random()), old: vec![] }),
};

/// Damages one after the other, each mended before the next.
const ROUNDS: usize = 6;
/// How long a node may take to refuse, or to open its data and to answer probes.
const DECIDES: Duration = Duration::from_secs(60);
/// How long one that answers gets to meet damage that it did not see at once.
const MEETS: Duration = Duration::from_secs(2);
/// How old the older copies are.
const AGE: Duration = Duration::from_secs(2);

struct Corrupt {
    dice: StdRng,
    /// Nodes that were replaced.
    old: Vec<u64>,
}

impl Fault for Corrupt {
    fn install(&mut self, rig: &Rig, nodes: &[usize]) -> Result<Outcome> {
        let slot = only(rig, nodes)?;
        let aside = Aside::new(&rig.paths.root, slot)?;
        aside.keep_older(slot)?;
        rig.sleep(AGE);
        match self.dice.random() {
            true => slot.process.kill()?,
            false => slot.process.stop(STOP)?,
        }
        let (mut damages, mut refusals) = (0, 0);
        for round in 0..ROUNDS {
            let manner = MANNERS[(round + self.dice.random_range(0..MANNERS.len())) % MANNERS.len()];
            let Some((target, path)) = self.pick(slot, manner, &aside)? else { continue };
            let original = aside.original();
            copy(&path, &original)?;
            let older = aside.older(&path);
            let Some(how) = damage(&path, target, manner, older.as_deref(), &mut self.dice)? else { continue };
            damages += 1;
            let refused = refuses(rig, slot)?;
            let file = path.strip_prefix(slot.data()).unwrap_or(&path).display();
            let words = if refused { slot.process.last_words() } else { "it runs".to_owned() };
            rig.journal.say(format!("{}: {file} {how}: {words}", slot.name));
            if !refused {
                rig.journal.say(format!("{} runs on damaged data: it is replaced", slot.name));
                self.old = replace(rig, slot)?;
                break;
            }
            refusals += 1;
            mend(&original, &path)?;
        }
        slot.process.start()?;
        let what = format!("{}: {damages} files damaged one after the other, {refusals} refused and mended", slot.name);
        Ok(if damages > 0 { Outcome::Installed(what) } else { Outcome::Indeterminate(what) })
    }

    fn undo(&mut self, rig: &Rig, _: &[usize]) -> Result<()> {
        await_gone(rig, &self.old)
    }
}

impl Corrupt {
    /// A file to damage: the kinds of files are equally likely, however many there are of each.
    fn pick(&mut self, slot: &Slot, manner: Manner, aside: &Aside) -> Result<Option<(&'static Target, PathBuf)>> {
        static ALL: [Target; TARGETS.len()] = TARGETS;
        let vital: Vec<&Target> = ALL.iter().filter(|target| target.vital).collect();
        let target = *vital.choose(&mut self.dice).context("targets")?;
        let files = target.files(&slot.data())?.into_iter().map(|file| slot.data().join(file));
        let fits = |path: &PathBuf| manner != Manner::Stale || aside.older(path).is_some();
        let files: Vec<PathBuf> = files.filter(fits).collect();
        Ok(files.choose(&mut self.dice).map(|path| (target, path.clone())))
    }
}

/// Whether a node ends by itself instead of serving.
pub(crate) fn refuses(rig: &Rig, slot: &Slot) -> Result<bool> {
    slot.process.start()?;
    let ended = || slot.process.pid().is_none() || slot.process.ended().is_some();
    rig.wait(DECIDES, || ended() || of_node(&slot.address).is_ok());
    Ok(rig.wait(MEETS, ended))
}

/// Copies of a node's files, elsewhere.
struct Aside {
    directory: PathBuf,
}

impl Aside {
    fn new(root: &Path, slot: &Slot) -> Result<Self> {
        let directory = root.join(format!("{}.aside", slot.name));
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Keeps what can be put back later as an older copy.
    fn keep_older(&self, slot: &Slot) -> Result<()> {
        for target in TARGETS {
            for file in target.files(&slot.data())? {
                // RocksDB may just have removed it.
                let _ = copy(&slot.data().join(&file), &self.directory.join(file.file_name().unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// The older copy of a file, if there is one that differs.
    fn older(&self, path: &Path) -> Option<PathBuf> {
        let older = self.directory.join(path.file_name()?);
        let differs = fs::read(&older).ok()? != fs::read(path).ok()?;
        differs.then_some(older)
    }

    /// Where the file is kept that is being damaged.
    fn original(&self) -> PathBuf {
        self.directory.join("original")
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What is left is removed by the next one.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
