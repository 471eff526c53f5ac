//! Damage to one file after the other: a node is stopped under load, and each damage is done to a copy of its data, which the
//! product's own code opens and reads. What it says then must be what the undamaged copy says, or it must refuse, and leave all
//! as it is. At last the node itself is started: on damaged data that it must refuse, and on damaged data that it must live with;
//! that node stays, and the checker will look at its record.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::copies::{Copies, remove};
use super::outcomes::{Outcome, Table};
use super::repeat::recover;
use crate::args;
use crate::claims::Needs;
use crate::damage::{MANNERS, Manner, TARGETS, Target, damage, mend};
use crate::faults::Outcome as Installation;
use crate::faults::corrupt::refuses;
use crate::host::PREFIX;
use crate::inspect::{Found, Shard, look};
use crate::journal::Journal;
use crate::load::Load;
use crate::rig::Rig;
use crate::slot::{STOP, Slot};
use crate::verdict::Faults;

/// Damages to the data of a node that is stopped once.
const ROUND: u64 = 25;
/// Damages that are tried out at a time: most of it is waiting.
const WORKERS: usize = 6;
/// How long a node may be in other hands.
const PATIENCE: Duration = Duration::from_secs(60);
/// How old the first older copies are.
const AGE: Duration = Duration::from_secs(3);

/// What shards hold, by their ids.
type Shards = BTreeMap<String, Shard>;

/// A damage that can be done again.
struct Damage {
    target: &'static Target,
    manner: Manner,
    /// Below the data.
    file: PathBuf,
    dice: StdRng,
}

impl Damage {
    /// Does it to a copy, or to the data itself; where. `None` if there is nothing to damage.
    fn strike(&self, data: &Path, copies: &Copies) -> Result<Option<String>> {
        let older = copies.older(&self.file);
        damage(&data.join(&self.file), self.target, self.manner, older.as_deref(), &mut self.dice.clone())
    }
}

struct Campaign<'a> {
    rig: &'a Rig,
    load: &'a Load,
    /// Where copies of data are: in memory, as each is synced several times.
    copies: PathBuf,
    dice: StdRng,
    faults: Faults,
    table: Table,
}

/// Runs until there were so many damages, or the time is over.
pub(super) fn run(rig: &Rig, load: &Load, args: &args::Run, seed: u64) -> Result<Faults> {
    let dice = StdRng::seed_from_u64(seed);
    let copies = Path::new("/dev/shm").join(format!("{PREFIX}-copies"));
    let mut campaign = Campaign { rig, load, copies, dice, faults: Faults::default(), table: Table::default() };
    let until = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    remove(&campaign.copies)?;
    while campaign.table.count() < args.count && Instant::now() < until && !rig.ending() {
        campaign.round(args.count - campaign.table.count())?;
    }
    remove(&campaign.copies)?;
    print!("{}", campaign.table);
    Ok(campaign.faults)
}

impl Campaign<'_> {
    /// Stops a node, damages copies of its data, and starts it again.
    fn round(&mut self, most: u64) -> Result<()> {
        let rig = self.rig;
        let claim =
            rig.claims.take(Needs::Node, self.dice.random_range(0..1_000), PATIENCE).context("no node is free")?;
        let slot = &rig.slots[*claim.numbers().first().context("no node was given")?];
        let copies = Copies::of(&self.copies, slot);
        let first = !copies.older.exists();
        if first {
            copies.keep_older(&slot.data())?;
            rig.sleep(AGE);
        }
        let how = self.stop(slot, first)?;
        copies.take(&slot.data())?;
        let Found::Whole(whole) = look(&copies.work).context("without damage")? else {
            bail!("{} does not open without damage", slot.name)
        };
        rig.journal.say(format!("{} {how}: {} shards are read", slot.name, whole.len()));
        let (mut lives, mut refused) = (None, None);
        for (damage, outcome) in self.try_out(&copies, &whole, most.min(ROUND))? {
            self.table.note(damage.target, damage.manner, outcome);
            self.faults.note("corruption", &Installation::Installed(String::new()));
            match outcome {
                Outcome::Refused => refused = Some(damage),
                // Most of what does no harm is where nobody looks: what is replayed is worth more.
                Outcome::Replayed => lives = Some(damage),
                Outcome::Unharmed => lives = lives.or(Some(damage)),
                Outcome::Ended | Outcome::Wrong => {}
            }
        }
        self.start(slot, &copies, lives, refused)?;
        drop(claim);
        copies.grow_older()?;
        if recover(rig, self.load).is_none() && !rig.stopping() {
            bail!("{} does not recover", slot.name);
        }
        Ok(())
    }

    /// Ends a node in one of three ways; which. `first`: so that its state is flushed, and there are files to damage.
    fn stop(&mut self, slot: &Slot, first: bool) -> Result<&'static str> {
        Ok(match self.dice.random_range(0..3) {
            way if first || way == 0 => {
                slot.process.stop(STOP)?;
                "was stopped"
            }
            1 => {
                slot.process.kill()?;
                "was killed"
            }
            _ => {
                slot.volume.cut_power()?;
                slot.process.kill()?;
                slot.volume.boot()?;
                "lost its power"
            }
        })
    }

    /// Tries damages out on copies, several at a time.
    fn try_out(&mut self, copies: &Copies, whole: &Shards, count: u64) -> Result<Vec<(Damage, Outcome)>> {
        let planned = (0..count).map(|_| self.draw(copies)).collect::<Result<Vec<_>>>()?;
        let (planned, judged) = (Mutex::new(planned.into_iter().flatten()), Mutex::new(vec![]));
        let next = || planned.lock().unwrap_or_else(PoisonError::into_inner).next();
        let journal = &self.rig.journal;
        thread::scope(|scope| {
            let work = |worker| -> Result<()> {
                let copies = copies.of_worker(worker);
                copies.renew()?;
                while let Some(damage) = next() {
                    if let Some(outcome) = one(journal, &copies, whole, &damage)? {
                        judged.lock().unwrap_or_else(PoisonError::into_inner).push((damage, outcome));
                    }
                }
                remove(&copies.work)
            };
            let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
        })?;
        Ok(judged.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// A damage that is to be done; `None` if there is no file for it.
    fn draw(&mut self, copies: &Copies) -> Result<Option<Damage>> {
        static ALL: [Target; TARGETS.len()] = TARGETS;
        let target = ALL.choose(&mut self.dice).context("targets")?;
        let manner = *MANNERS.choose(&mut self.dice).context("manners")?;
        let mut files = target.files(&copies.whole)?;
        files.retain(|file| manner != Manner::Stale || copies.older(file).is_some());
        let dice = StdRng::seed_from_u64(self.dice.random());
        Ok(files.choose(&mut self.dice).map(|file| Damage { target, manner, file: file.clone(), dice }))
    }

    /// Starts the node on damaged data that it must refuse, mends that, and then on damaged data that it must live with.
    fn start(&mut self, slot: &Slot, copies: &Copies, lives: Option<Damage>, refused: Option<Damage>) -> Result<()> {
        let rig = self.rig;
        if let Some(damage) = refused {
            damage.strike(&slot.data(), copies)?;
            let words = if refuses(rig, slot)? { slot.process.last_words() } else { String::new() };
            // `hansard` says no more than its storage does.
            if words.is_empty() && !rig.stopping() {
                rig.journal.fail(format!("{} runs, although {} is damaged", slot.name, damage.file.display()));
            }
            slot.process.kill()?;
            mend(&copies.whole.join(&damage.file), &slot.data().join(&damage.file))?;
        }
        if let Some(damage) = lives {
            let how = damage.strike(&slot.data(), copies)?;
            rig.journal.say(format!("{} goes on with {} {how:?}", slot.name, damage.file.display()));
        }
        slot.process.start()
    }
}

/// Does one damage; what came of it. `None` if there was nothing to damage.
fn one(journal: &Journal, copies: &Copies, whole: &Shards, damage: &Damage) -> Result<Option<Outcome>> {
    let Some(how) = damage.strike(&copies.work, copies)? else { return Ok(None) };
    let before = copies.stamps()?;
    let found = look(&copies.work);
    let (outcome, said) = judge(found, whole, before == copies.stamps()?);
    let what = format!("{} {how}: {outcome:?}: {said}", damage.file.display());
    if outcome == Outcome::Wrong {
        journal.fail(what);
    } else {
        journal.say(what);
    }
    match outcome {
        Outcome::Refused => copies.mend(&damage.file)?,
        _ => copies.renew()?,
    }
    Ok(Some(outcome))
}

/// What a damaged copy came to, beside the whole one. `untouched`: whether opening it changed nothing.
fn judge(found: Result<Found>, whole: &Shards, untouched: bool) -> (Outcome, String) {
    match found {
        Err(error) => (Outcome::Wrong, format!("{error:#}")),
        Ok(Found::Refused(said)) if !untouched => (Outcome::Wrong, format!("files were changed: {said}")),
        // Every message for operators says what to do; one of these words is in each of them.
        Ok(Found::Refused(said) | Found::Ended(said))
            if !["eep", "check", "start"].iter().any(|word| said.contains(word)) =>
        {
            (Outcome::Wrong, format!("nobody is told what to do: {said}"))
        }
        Ok(Found::Ended(said)) => (Outcome::Ended, said),
        Ok(Found::Refused(said)) => (Outcome::Refused, said),
        Ok(Found::Whole(shards)) => compare(&shards, whole),
    }
}

fn compare(found: &Shards, whole: &Shards) -> (Outcome, String) {
    if found.keys().ne(whole.keys()) {
        return (Outcome::Wrong, format!("shards {:?} of {:?}", found.keys(), whole.keys()));
    }
    let mut outcome = (Outcome::Unharmed, String::new());
    for ((id, found), whole) in found.iter().zip(whole.values()) {
        if found.log != whole.log {
            return (Outcome::Wrong, format!("the log of shard {id} is {}, was {}", found.log, whole.log));
        }
        if found.applied > whole.applied || found.applied == whole.applied && found.rows != whole.rows {
            return (Outcome::Wrong, format!("the rows of shard {id} are others: {found:?}, {whole:?}"));
        }
        if found.applied < whole.applied {
            outcome = (Outcome::Replayed, format!("shard {id} goes on from {} of {}", found.applied, whole.applied));
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(log: &str, applied: u64, rows: &str) -> Shards {
        BTreeMap::from([("a".to_owned(), Shard { log: log.to_owned(), applied, rows: rows.to_owned() })])
    }

    #[test]
    fn only_what_is_whole_replayed_or_refused_untouched_is_right() {
        let whole = shards("log", 7, "rows");
        let judged = |found| judge(Ok(found), &whole, true).0;
        assert_eq!(judged(Found::Whole(whole.clone())), Outcome::Unharmed);
        assert_eq!(judged(Found::Whole(shards("log", 5, "fewer"))), Outcome::Replayed);
        assert_eq!(judged(Found::Whole(shards("shorter", 7, "rows"))), Outcome::Wrong);
        assert_eq!(judged(Found::Whole(shards("log", 7, "others"))), Outcome::Wrong);
        assert_eq!(judged(Found::Whole(shards("log", 8, "more"))), Outcome::Wrong);
        assert_eq!(judged(Found::Whole(Shards::new())), Outcome::Wrong);
        assert_eq!(judged(Found::Refused("Keep this directory".into())), Outcome::Refused);
        assert_eq!(judged(Found::Refused("no".into())), Outcome::Wrong);
        assert_eq!(judge(Ok(Found::Refused("Keep it".into())), &whole, false).0, Outcome::Wrong);
        assert_eq!(judge(Err(anyhow::anyhow!("SIGSEGV")), &whole, true).0, Outcome::Wrong);
    }
}
