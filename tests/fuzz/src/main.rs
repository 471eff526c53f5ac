//! Feeds all targets for a time, or one input to one of them.
//!
//! `hansard-fuzz --seconds 600 --seed 7` shares the time out among the targets; `--target NAME` takes one; `--first N` begins
//! at an input's number; `--input HEX` replays one input.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use data_encoding::HEXLOWER_PERMISSIVE;
use hansard_fuzz::{Found, Prepared, Seen, Target, targets};

const USAGE: &str = "usage: hansard-fuzz [--seconds N] [--seed N] [--target NAME [--first N | --input HEX]] | --list";

/// Inputs between two looks at the clock.
const BETWEEN_LOOKS: u64 = 64;
/// Whoever hangs or dies is found again from the last number that was told.
const TELL_EVERY: Duration = Duration::from_secs(10);

struct Args {
    seconds: u64,
    seed: u64,
    target: Option<String>,
    first: u64,
    input: Option<String>,
    list: bool,
}

fn parse() -> Result<Args> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut args = Args { seconds: 60, seed: now.as_secs(), target: None, first: 0, input: None, list: false };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().context(USAGE);
        match flag.as_str() {
            "--seconds" => args.seconds = value()?.parse()?,
            "--seed" => args.seed = value()?.parse()?,
            "--target" => args.target = Some(value()?),
            "--first" => args.first = value()?.parse()?,
            "--input" => args.input = Some(value()?),
            "--list" => args.list = true,
            _ => bail!(USAGE),
        }
    }
    Ok(args)
}

fn main() -> Result<ExitCode> {
    let args = parse()?;
    let all = targets::all();
    if args.list {
        all.iter().for_each(|target| println!("{}", target.name));
        return Ok(ExitCode::SUCCESS);
    }
    let wanted: Vec<Target> = match &args.target {
        Some(name) => all.into_iter().filter(|target| target.name == name).collect(),
        None => all,
    };
    let Some(first) = wanted.first() else { bail!("there is no such target; --list names them") };
    match &args.input {
        Some(_) if args.target.is_none() => bail!(USAGE),
        Some(hex) => replay(*first, hex),
        None => Ok(feed_all(wanted, &args)),
    }
}

fn replay(target: Target, hex: &str) -> Result<ExitCode> {
    let input = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).context("--input takes hexadecimal digits")?;
    match Prepared::new(target).check(&input) {
        Ok(Seen::Taken) => println!("{}: taken", target.name),
        Ok(Seen::Refused) => println!("{}: refused", target.name),
        Err(trouble) => {
            println!("{}: {trouble}", target.name);
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn feed_all(wanted: Vec<Target>, args: &Args) -> ExitCode {
    let (mut inputs, mut failures) = (0, 0);
    println!("seed={}", args.seed);
    let begun = Instant::now();
    let count = wanted.len();
    for (fed, target) in wanted.into_iter().enumerate() {
        // Who is done early leaves the rest to those that follow.
        let left = Duration::from_secs(args.seconds).saturating_sub(begun.elapsed());
        match feed(target, args, left / (count - fed) as u32) {
            Ok(some) => inputs += some,
            Err(found) => {
                failures += 1;
                inputs += found.number;
                tell(&target, args.seed, &found);
            }
        }
    }
    println!("fuzz targets={count} inputs={inputs} failures={failures}");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn feed(target: Target, args: &Args, time: Duration) -> Result<u64, Found> {
    let prepared = Prepared::new(target);
    let (begun, mut told) = (Instant::now(), Instant::now());
    let tally = prepared.run(args.seed, args.first, |number| {
        if !number.is_multiple_of(BETWEEN_LOOKS) {
            return false;
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            eprintln!("{}: at {number}", target.name);
        }
        begun.elapsed() > time
    })?;
    let share = 100 * tally.taken / tally.inputs.max(1);
    println!("{}: {} inputs, {share} % taken", target.name, tally.inputs);
    Ok(tally.inputs)
}

fn tell(target: &Target, seed: u64, found: &Found) {
    let hex = HEXLOWER_PERMISSIVE.encode(&found.input);
    println!("FAILURE {}: {}", target.name, found.trouble);
    println!("  input {hex}");
    println!("  replay it: make fuzz TARGET={} INPUT={hex}", target.name);
    println!(
        "  as it was drawn, before it was made smaller: make fuzz TARGET={} SEED={seed} FIRST={}",
        target.name, found.number
    );
}
