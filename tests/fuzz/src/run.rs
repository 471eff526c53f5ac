//! Draws inputs of a target, and looks whether its law holds.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::meter;
use crate::mutate;
use crate::rng::Dice;
use crate::shrink::shrink;
use crate::target::{Seen, Target};

/// An input of 64 KiB is read in milliseconds; whatever takes so long grows faster than its input.
const SLOW: Duration = Duration::from_secs(5);

/// How a target's law was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The law itself.
    Law(String),
    /// The reader panicked.
    Panic(String),
    /// The reader took more memory than it may.
    Memory {
        /// Bytes that were live at once.
        peak: usize,
        /// Bytes that may be.
        allowed: usize,
    },
    /// The reader took far too long.
    Slow(Duration),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Law(wrong) => f.write_str(wrong),
            Self::Panic(what) => write!(f, "panic: {what}"),
            Self::Memory { peak, allowed } => write!(f, "{peak} bytes were live at once, {allowed} may be"),
            Self::Slow(time) => write!(f, "it took {time:?}"),
        }
    }
}

/// An input that breaks a target's law.
#[derive(Debug, Clone)]
pub struct Found {
    /// Which input of the seed's it was.
    pub number: u64,
    /// The input, made smaller as far as that was possible in little time.
    pub input: Vec<u8>,
    /// What it does.
    pub trouble: Trouble,
}

/// What inputs came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// All inputs.
    pub inputs: u64,
    /// Those that were read; the others were refused.
    pub taken: u64,
}

/// A target with its seeds.
pub struct Prepared {
    /// The target.
    pub target: Target,
    seeds: Vec<Vec<u8>>,
}

impl Prepared {
    /// Makes the seeds, and checks the target once: what is built on first use is not charged to an input.
    ///
    /// # Panics
    /// When the target has no seeds.
    pub fn new(target: Target) -> Self {
        watch_panics();
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no valid inputs to begin with", target.name);
        let prepared = Self { target, seeds };
        // Whatever it says is said again, when its turn comes.
        let _ = prepared.guarded(&prepared.seeds[0]);
        prepared
    }

    /// The valid inputs.
    pub fn seeds(&self) -> &[Vec<u8>] {
        &self.seeds
    }

    /// An input: first the seeds as they are, then mutated ones.
    pub fn input(&self, seed: u64, number: u64) -> Vec<u8> {
        if let Some(plain) = usize::try_from(number).ok().and_then(|number| self.seeds.get(number)) {
            return plain.clone();
        }
        mutate::mutated(&self.target, &self.seeds, &mut Dice::new(seed, self.target.name, number))
    }

    /// Checks one input.
    ///
    /// # Errors
    /// How the law was broken.
    pub fn check(&self, input: &[u8]) -> Result<Seen, Trouble> {
        let begun = Instant::now();
        let (seen, peak) = meter::measure(|| self.guarded(input));
        let seen = seen?;
        let allowed = self.target.allowance.of(input.len());
        if peak > allowed {
            return Err(Trouble::Memory { peak, allowed });
        }
        let taken = begun.elapsed();
        // Once more before it is blamed: the machine may have paused.
        if taken > SLOW && timed(|| self.guarded(input)) > SLOW {
            return Err(Trouble::Slow(taken));
        }
        Ok(seen)
    }

    /// Checks inputs from `first` on until `enough` says so of the next one's number.
    ///
    /// # Errors
    /// The first input that breaks the law.
    pub fn run(&self, seed: u64, first: u64, mut enough: impl FnMut(u64) -> bool) -> Result<Tally, Found> {
        let mut tally = Tally::default();
        for number in first.. {
            if enough(number) {
                break;
            }
            let input = self.input(seed, number);
            match self.check(&input) {
                Ok(seen) => {
                    tally.inputs += 1;
                    tally.taken += u64::from(seen == Seen::Taken);
                }
                Err(trouble) => {
                    let input = shrink(input, |smaller| self.check(smaller).is_err());
                    let trouble = self.check(&input).err().unwrap_or(trouble);
                    return Err(Found { number, input, trouble });
                }
            }
        }
        Ok(tally)
    }

    fn guarded(&self, input: &[u8]) -> Result<Seen, Trouble> {
        GUARDED.set(true);
        let checked = catch_unwind(AssertUnwindSafe(|| (self.target.check)(input)));
        GUARDED.set(false);
        match checked {
            Ok(verdict) => verdict.map_err(Trouble::Law),
            Err(_) => Err(Trouble::Panic(PANIC.take())),
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    drop(work());
    begun.elapsed()
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on panics of readers are kept instead of printed.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                PANIC.set(info.to_string().replace('\n', " "));
            } else {
                print(info);
            }
        }));
    });
}
