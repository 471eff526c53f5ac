//! Each kind of violation, seeded into a run without any, is found, as what it is.

use crate::support::{Entry, Outcome, Replica, Run, Seen, Size, run};
use hansard_checker::{Summary, Violation, check_files};

fn checked(run: &Run) -> anyhow::Result<Summary> {
    let directory = tempfile::tempdir().unwrap();
    run.write(directory.path());
    check_files(&[directory.path().to_owned()], 1)
}

/// What is found once a run is damaged.
fn found(damage: impl FnOnce(&mut Run)) -> Vec<Violation> {
    let mut run = run(&Size::default());
    damage(&mut run);
    let summary = checked(&run).unwrap();
    let mut found: Vec<Violation> = summary.report.examples().iter().map(|(violation, _)| *violation).collect();
    found.dedup();
    assert_eq!(found.is_empty(), summary.report.total() == 0);
    found
}

/// The same damage on every node, so that only the clients can tell.
fn everywhere(run: &mut Run, damage: impl Fn(&mut Replica)) {
    run.nodes.iter_mut().for_each(|node| damage(&mut node[0]));
    // What subscribers saw is damaged alike.
    let entries = &run.nodes[0][0].entries;
    let mut seen: Vec<Seen> = entries.iter().map(|e| Seen::Event(e.room, e.seq, e.text.clone())).collect();
    for room in 1..=3 {
        seen.push(Seen::End(room, entries.iter().filter(|entry| entry.room == room).count() as u64));
    }
    run.followers = vec![seen; 2];
}

/// The index of an entry in the middle whose send was acked.
fn acked_entry(run: &Run) -> usize {
    let acked = |op| run.clients.iter().flatten().any(|s| s.op == op && matches!(s.outcome, Outcome::Acked(..)));
    (100..).find(|at| acked(run.nodes[0][0].entries[*at].op)).unwrap()
}

#[test]
fn nothing_in_a_run_without_damage() {
    let run = run(&Size::default());
    for parts in [1, 3] {
        let directory = tempfile::tempdir().unwrap();
        run.write(directory.path());
        let summary = check_files(&[directory.path().to_owned()], parts).unwrap();
        assert_eq!(summary.report.total(), 0, "{}", summary.report);
        assert_eq!((summary.acked, summary.unknown, summary.refused), (370, 20, 10));
        assert_eq!((summary.entries, summary.events, summary.replicas), (383, 766, 3));
    }
}

#[test]
fn an_acked_send_that_is_nowhere() {
    let found = found(|run| {
        let at = acked_entry(run);
        let gone = run.nodes[0][0].entries[at].clone();
        everywhere(run, |replica| {
            replica.entries.remove(at);
            replica.entries.iter_mut().filter(|e| e.room == gone.room && e.seq > gone.seq).for_each(|e| e.seq -= 1);
        });
        run.compared -= 1;
        // All behind it were acked at the seqs that they now have.
        for send in run.clients.iter_mut().flatten().filter(|send| send.room == gone.room && send.op != gone.op) {
            if let Outcome::Acked(seq, _) = &mut send.outcome {
                *seq -= u64::from(*seq > gone.seq);
            }
        }
    });
    assert_eq!(found, [Violation::Lost]);
}

#[test]
fn an_acked_send_at_the_end_that_is_nowhere() {
    let found = found(|run| {
        let last = run.nodes[0][0].entries.len() - 1;
        everywhere(run, |replica| drop(replica.entries.remove(last)));
        run.compared -= 1;
    });
    assert_eq!(found, [Violation::Lost]);
}

/// Puts one more entry at the end of a room.
fn append(run: &mut Run, op: u128, text: &str) {
    everywhere(run, |replica| {
        let mut entry = replica.entries.iter().rfind(|entry| entry.room == 2).unwrap().clone();
        (entry.op, entry.seq, entry.text) = (op, entry.seq + 1, text.to_owned());
        replica.entries.push(entry);
    });
}

#[test]
fn an_acked_send_twice() {
    let found = found(|run| {
        let entry = run.nodes[0][0].entries[acked_entry(run)].clone();
        let send = run.clients.iter_mut().flatten().find(|send| send.op == entry.op).unwrap();
        assert_eq!(send.text, entry.text);
        append(run, entry.op, &entry.text);
    });
    assert_eq!(found, [Violation::Doubled]);
}

#[test]
fn an_unknown_send_twice() {
    let found = found(|run| {
        let is_there = |op| run.nodes[0][0].entries.iter().any(|entry| entry.op == op);
        let mut unknown = run.clients.iter().flatten().filter(|send| send.outcome == Outcome::Unknown);
        let send = unknown.find(|send| send.room == 2 && is_there(send.op)).unwrap().clone();
        append(run, send.op, &send.text);
    });
    assert_eq!(found, [Violation::Doubled]);
}

#[test]
fn a_send_that_was_acked_twice() {
    let found = found(|run| {
        let mut again = run.clients[0].iter().find(|send| matches!(send.outcome, Outcome::Acked(..))).unwrap().clone();
        again.at += 10;
        run.clients[1].push(again);
    });
    assert_eq!(found, [Violation::Doubled]);
}

#[test]
fn a_message_of_nobody() {
    assert_eq!(found(|run| append(run, 999_999, "who said that?")), [Violation::Phantom]);
}

#[test]
fn a_message_that_was_refused() {
    let found = found(|run| {
        let refused = run.clients.iter().flatten().find(|send| send.outcome == Outcome::Refused).unwrap().clone();
        append(run, refused.op, &refused.text);
    });
    assert_eq!(found, [Violation::Phantom]);
}

#[test]
fn a_message_that_says_something_else() {
    let found = found(|run| {
        let at = acked_entry(run);
        everywhere(run, |replica| replica.entries[at].text.push('!'));
    });
    assert_eq!(found, [Violation::Phantom]);
}

#[test]
fn a_send_at_another_seq_than_was_told() {
    let found = found(|run| {
        let send = run.clients[2].iter_mut().find(|send| matches!(send.outcome, Outcome::Acked(..))).unwrap();
        let Outcome::Acked(seq, _) = &mut send.outcome else { unreachable!() };
        *seq += 1;
    });
    assert_eq!(found, [Violation::Reordered]);
}

/// Swaps two neighbours in a room, and what their senders were told.
fn swap(run: &mut Run, of_one_client: bool) {
    let place = |send: &crate::support::Send| match send.outcome {
        Outcome::Acked(seq, _) => Some((send.room, seq)),
        _ => None,
    };
    let sends: Vec<(usize, crate::support::Send)> = run
        .clients
        .iter()
        .enumerate()
        .flat_map(|(client, sends)| sends.iter().map(move |s| (client, s.clone())))
        .collect();
    let earlier = |(client, a): &&(usize, crate::support::Send)| {
        sends.iter().any(|(other, b)| {
            let follows = place(a).is_some_and(|(room, seq)| place(b) == Some((room, seq + 1)));
            follows && b.at > a.at + 1_500 && (client == other) == of_one_client
        })
    };
    let (room, seq) = place(&sends.iter().find(earlier).expect("a pair").1).unwrap();
    for send in run.clients.iter_mut().flatten().filter(|send| send.room == room) {
        if let Outcome::Acked(at, _) = &mut send.outcome {
            *at = if *at == seq {
                seq + 1
            } else if *at == seq + 1 {
                seq
            } else {
                *at
            };
        }
    }
    everywhere(run, |replica| {
        let mut pair = replica.entries.iter_mut().filter(|e| e.room == room && (e.seq == seq || e.seq == seq + 1));
        let (a, b) = (pair.next().unwrap(), pair.next().unwrap());
        std::mem::swap(&mut a.op, &mut b.op);
        std::mem::swap(&mut a.text, &mut b.text);
    });
}

#[test]
fn an_order_that_real_time_forbids() {
    assert_eq!(found(|run| swap(run, false)), [Violation::Reordered]);
}

#[test]
fn an_order_that_is_not_its_clients() {
    let size = Size { clients: 1, ..Size::default() };
    let mut run = run(&size);
    // Only one client: its next send begins after the ack.
    run.clients[0].iter_mut().for_each(|send| send.at *= 10);
    for send in run.clients[0].iter_mut() {
        if let Outcome::Acked(_, at) = &mut send.outcome {
            *at = send.at + 1_500;
        }
    }
    assert_eq!(checked(&run).unwrap().report.total(), 0);
    swap(&mut run, true);
    let report = checked(&run).unwrap().report;
    assert_eq!(report.count(Violation::Reordered), report.total());
    assert!(report.examples()[0].1.contains("the same client's"), "{report}");
}

#[test]
fn an_unknown_send_before_what_was_acked_is_no_violation_but_the_other_way_round_is() {
    let outcome = |late: bool| {
        found(move |run| {
            let op = run.nodes[0][0].entries[acked_entry(run)].op;
            let send = run.clients.iter_mut().flatten().find(|send| send.op == op).unwrap();
            send.outcome = Outcome::Unknown;
            // It began after all others had their acks, yet is in the middle.
            send.at = if late { 9_000_000 } else { send.at };
        })
    };
    assert_eq!(outcome(false), []);
    assert_eq!(outcome(true), [Violation::Reordered]);
}

#[test]
fn a_hole_in_a_room() {
    let found = found(|run| {
        let at = acked_entry(run);
        everywhere(run, |replica| {
            let room = replica.entries[at].room;
            replica.entries[at..].iter_mut().filter(|entry| entry.room == room).for_each(|entry| entry.seq += 1);
        });
    });
    assert!(found.contains(&Violation::Gap), "{found:?}");
}

#[test]
fn subscribers_that_miss_double_change_or_stop() {
    let stream = |damage: fn(&mut Vec<Seen>)| found(|run| damage(&mut run.followers[1]));
    let event = |seen: &[Seen]| (50..).find(|at| matches!(seen[*at], Seen::Event(..))).unwrap();
    assert_eq!(event(&run(&Size::default()).followers[0]), 50);
    assert_eq!(stream(|seen| drop(seen.remove(50))), [Violation::Stream]);
    assert_eq!(stream(|seen| seen.insert(50, seen[50].clone())), [Violation::Stream]);
    assert_eq!(stream(|seen| seen[50] = Seen::Event(1, 99_999, String::new())), [Violation::Stream]);
    assert_eq!(stream(|seen| seen.insert(50, Seen::Missing(1, 17, 17))), [Violation::Stream]);
    let silent = |seen: &mut Vec<Seen>| {
        let last = seen.iter().rposition(|seen| matches!(seen, Seen::Event(..))).unwrap();
        seen.remove(last);
    };
    assert_eq!(stream(silent), [Violation::Stream]);
    let changed = |seen: &mut Vec<Seen>| {
        let Seen::Event(_, _, text) = &mut seen[50] else { unreachable!() };
        text.push('!');
    };
    assert_eq!(stream(changed), [Violation::Stream]);
}

#[test]
fn replicas_that_differ_lag_or_are_missing() {
    let changed = found(|run| run.nodes[2][0].entries[120].text.push('!'));
    assert_eq!(changed, [Violation::Replica]);
    assert_eq!(found(|run| drop(run.nodes[1][0].entries.pop())), [Violation::Replica]);
    assert_eq!(found(|run| drop(run.nodes[1].pop())), [Violation::Replica]);
    assert_eq!(found(|run| run.voters[2] = "n9".to_owned()), [Violation::Replica]);
    // What does not vote may lag.
    let lags = |run: &mut Run| {
        run.nodes[1][0].entries.pop();
        run.voters.remove(1);
    };
    assert_eq!(found(lags), []);
}

#[test]
fn replicas_that_were_stopped_later_may_have_more_but_not_something_else() {
    fn refusals(run: &mut Run, node: usize, op: u128) {
        run.nodes[node][0].entries.push(Entry { op, room: 0, seq: 0, kind: 0x21, text: String::new() });
    }
    for first in [0, 2] {
        let more = |run: &mut Run| [first, 1].iter().for_each(|node| refusals(run, *node, 1));
        assert_eq!(found(more), []);
    }
    let others = |run: &mut Run| [1, 2].iter().for_each(|node| refusals(run, *node, *node as u128));
    assert_eq!(found(others), [Violation::Replica]);
}

#[test]
fn a_root_that_is_not_that_of_the_leaves() {
    assert_eq!(found(|run| run.nodes[1][0].root = Some([3; 32])), [Violation::Tree]);
}

#[test]
fn histories_that_are_cut_short_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    run(&Size::default()).write(directory.path());
    let node = directory.path().join("node-n1.history");
    let text = std::fs::read_to_string(&node).unwrap();
    let end = text.trim_end().rfind('\n').unwrap();
    for (cut, why) in [(&text[..=end], "before its end"), (&text[..end - 20], "cut short")] {
        std::fs::write(&node, cut).unwrap();
        let error = check_files(&[directory.path().to_owned()], 1).unwrap_err();
        assert!(format!("{error:#}").contains(why), "{error:#}");
    }
}
