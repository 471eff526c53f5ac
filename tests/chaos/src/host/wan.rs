//! A long way: a process that takes frames out of one TAP interface, holds them for a while, and puts them into another;
//! and the same in the other direction.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::sys::open_tap;

/// Frames on their way in one direction; more are dropped, as routers do.
const ON_THE_WAY: usize = 20_000;
/// The longest frame, with room to spare.
const FRAME: usize = 4_096;

/// Carries frames until an interface is gone.
pub(crate) fn carry(names: &[String; 2], delay: Duration) -> Result<()> {
    let [a, b] = [open_tap(&names[0])?, open_tap(&names[1])?];
    let there = one_way(a.try_clone()?, b.try_clone()?, delay);
    let back = one_way(b, a, delay);
    for thread in [there, back] {
        thread.join().map_err(|_| anyhow!("a carrier panicked"))??;
    }
    Ok(())
}

fn one_way(mut from: File, mut to: File, delay: Duration) -> thread::JoinHandle<Result<()>> {
    thread::spawn(move || {
        let (held, due) = sync_channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
        let out = thread::spawn(move || {
            for (when, frame) in due {
                thread::sleep(when.saturating_duration_since(Instant::now()));
                // A frame that is not taken is lost, which networks may do.
                let _ = to.write(&frame);
            }
        });
        let mut frame = [0; FRAME];
        loop {
            let length = from.read(&mut frame)?;
            // Full: dropped.
            let _ = held.try_send((Instant::now() + delay, frame[..length].to_vec()));
            if out.is_finished() {
                return Err(anyhow!("the other end is gone"));
            }
        }
    })
}
