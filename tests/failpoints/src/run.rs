//! A run, from empty disks to the verdict.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use hansard_checker::{Summary, Violation};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::args::Args;
use crate::check;
use crate::cluster::{Cluster, JOINER, ROUTERS, router};
use crate::load::Load;
use crate::plan::{self, Scene};
use crate::process::Order;

/// What a run has and has done.
pub(crate) struct Run {
    pub(crate) cluster: Cluster,
    /// Nobody talks before the cluster is founded.
    pub(crate) load: Option<Load>,
    pub(crate) orders: Vec<Order>,
    /// Those for the start of a node that was killed or has crashed, of which none has obeyed yet.
    pub(crate) starts: Vec<Order>,
    pub(crate) dice: StdRng,
    /// The replica that moved away from the joiner is gone.
    pub(crate) left: bool,
    start: Instant,
    fired: usize,
    /// No point was left out.
    whole: bool,
}

/// Runs, and prints the verdict.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let directory = tempfile::Builder::new().prefix("hansard-failpoints").tempdir()?;
    let cluster = Cluster::make(&args.hansard, directory.path())?;
    let orders = plan::orders(&args.only)?;
    let mut dice = StdRng::seed_from_u64(args.seed);
    let mut starts = plan::of(&orders, Scene::Start);
    starts.shuffle(&mut dice);
    let whole = args.only.is_empty();
    let mut run =
        Run { cluster, load: None, orders, starts, dice, left: false, start: Instant::now(), fired: 0, whole };
    println!("failpoints: seed {}, {} orders", args.seed, run.orders.len());
    let ended = run.all(args);
    if ended.is_err() {
        println!("what the processes said is kept in {}", directory.keep().display());
    }
    let (checked, resolved) = ended?;
    Ok(run.verdict(&checked, resolved))
}

impl Run {
    fn all(&mut self, args: &Args) -> Result<(Summary, u64)> {
        self.found()?;
        for number in 0..ROUTERS {
            self.cluster.servers[router(number)].tell(&[])?;
            self.cluster.start(router(number))?;
        }
        let histories = self.cluster.directory.join("histories");
        std::fs::create_dir(&histories)?;
        self.load = Some(Load::start(&self.cluster, &histories, args.seed)?);
        self.say("the cluster is founded, and people talk");
        self.join()?;
        self.rounds()?;
        // The joiner crashes in its own time, and may lead what a node that is behind takes over: so it goes first.
        self.leave()?;
        self.behind()?;
        self.overruled()?;
        let load = self.load.take().expect("people talk");
        let resolved = load.resolved();
        load.finish(&self.cluster)?;
        Ok((check::check(&mut self.cluster, &args.chaos, &histories)?, resolved))
    }

    /// One order after the other, of those that need nothing but people who talk.
    fn rounds(&mut self) -> Result<()> {
        let of = |scene| plan::of(&self.orders, scene);
        let scenes = [Scene::Talk, Scene::Lead, Scene::Enroll, Scene::HandOver, Scene::Router, Scene::Full];
        let mut orders: Vec<(Scene, Order)> =
            scenes.into_iter().flat_map(|scene| of(scene).into_iter().map(move |order| (scene, order))).collect();
        orders.shuffle(&mut self.dice);
        for (scene, order) in orders {
            self.look_after_joiner()?;
            self.round(scene, order)?;
        }
        self.starts()
    }

    /// Says what happened.
    pub(crate) fn say(&self, what: &str) {
        println!("{:7.2} {what}", self.start.elapsed().as_secs_f64());
    }

    /// An order was obeyed.
    pub(crate) fn note(&mut self, server: usize, order: &Order) {
        self.fired += 1;
        let name = &self.cluster.servers[server].name;
        self.say(&format!("{name}: {} at {}, passed {} times before", order.action, order.point.name(), order.after));
    }

    /// Waits until messages in every room go through that were begun from now on.
    pub(crate) fn goes_on(&self) -> Result<()> {
        self.load.as_ref().map_or(Ok(()), |load| load.goes_on(&self.cluster))
    }

    /// The joiner is crashed when its time comes, whatever else goes on.
    fn look_after_joiner(&mut self) -> Result<()> {
        if self.cluster.servers[JOINER].status()?.is_some() { self.leave() } else { Ok(()) }
    }

    fn verdict(&self, checked: &Summary, resolved: u64) -> ExitCode {
        print!("{}", checked.report);
        println!(
            "checked {} entries on {} replicas, {} events of a subscriber; {resolved} outcomes were learned by asking again",
            checked.entries, checked.replicas, checked.events
        );
        let of = |violation| checked.report.count(violation);
        println!(
            "failpoints fired={}/{} acked={} lost={} doubled={} reordered={} phantom={}",
            self.fired,
            self.orders.len(),
            checked.acked,
            of(Violation::Lost),
            of(Violation::Doubled),
            of(Violation::Reordered),
            of(Violation::Phantom),
        );
        // A few points may have let everybody have an answer at once; all of them do not.
        let asked_again = resolved > 0 || !self.whole;
        let passed =
            self.fired == self.orders.len() && checked.report.total() == 0 && checked.unknown == 0 && asked_again;
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
