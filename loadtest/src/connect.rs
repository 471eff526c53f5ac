//! `load connect`: many idle sessions, and what each costs.

use std::{future::Future, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use crate::{
    args::ConnectArgs,
    latency::Latencies,
    process,
    report::Report,
    target::{Target, with_target},
};

/// Files that are open beside sessions.
const OTHER_FILES: u64 = 64;

/// Runs so many of the same thing at once and collects what they give; the first failure ends all.
pub(crate) async fn all<T, F>(count: usize, mut start: impl FnMut() -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>>,
{
    let mut running: Vec<_> = (0..count).map(|_| Some(Box::pin(start()))).collect();
    let mut done: Vec<Option<T>> = (0..count).map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut waiting = false;
        for (future, slot) in running.iter_mut().zip(&mut done) {
            let Some(running) = future else { continue };
            match running.as_mut().poll(cx) {
                std::task::Poll::Ready(Ok(value)) => {
                    *slot = Some(value);
                    *future = None;
                }
                std::task::Poll::Ready(Err(error)) => return std::task::Poll::Ready(Err(error)),
                std::task::Poll::Pending => waiting = true,
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(Ok(())) }
    })
    .await?;
    Ok(done.into_iter().flatten().collect())
}

/// Runs the test; returns whether it passed.
pub(crate) async fn run(args: ConnectArgs) -> Result<bool> {
    let needed = u64::from(args.sessions) + OTHER_FILES;
    if process::open_files_limit().is_some_and(|limit| limit < needed) {
        bail!("{} sessions need {needed} open files; raise the limit: ulimit -n {needed}", args.sessions);
    }
    let report = with_target(&args.common, async |target| measure(&args, target).await).await?;
    report.print(args.common.output)
}

async fn measure(args: &ConnectArgs, target: &Target) -> Result<Report> {
    // What one session brings along, such as caches, belongs to no session.
    let first = target.connect().await?;
    let mut latencies = Latencies::new();
    let empty = target.meter.sample().await;
    let begun = Instant::now();
    let mut sessions = Vec::with_capacity(args.sessions as usize);
    while sessions.len() < args.sessions as usize {
        let some = (args.at_once as usize).min(args.sessions as usize - sessions.len());
        let opened = all(some, || async {
            let begun = Instant::now();
            let client = target.connect().await?;
            Ok((client, begun.elapsed()))
        });
        for (client, latency) in opened.await.with_context(|| format!("after {} sessions", sessions.len()))? {
            latencies.record(latency);
            sessions.push(client);
        }
    }
    let connecting = begun.elapsed();
    let full = target.meter.sample().await;
    sleep(Duration::from_secs(args.common.seconds)).await;
    let idle = target.meter.sample().await.since(&full);
    let costs = full.since(&empty);

    let count = u64::from(args.sessions);
    let per_session = |bytes: i64| bytes as f64 / count as f64;
    let mut report = Report::new("connect", &args.common);
    report.add("sessions", count);
    report.add_rounded("rate", count as f64 / connecting.as_secs_f64());
    report.add_latencies("connect", latencies.percentiles());
    report.add_rounded("rss_bytes_per_session", costs.servers.map(|servers| per_session(servers.rss_growth)));
    report.add_costs("session", count, costs);
    let idle_percent = idle.servers.map(|servers| servers.cpu_us as f64 / idle.elapsed.as_micros() as f64 * 100.0);
    report.add_rounded("idle_server_cpu_percent", idle_percent);
    let dropped = sessions.iter().filter(|client| client.stats().sessions != 1 || client.ended().is_some()).count();
    report.add("dropped", dropped);
    if dropped > 0 {
        report.fail(format!("{dropped} sessions did not stand until the end"));
    }
    drop(first);
    report.check(&args.common, "rate", "connect_p99_ms", "server_cpu_us_per_session");
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_all_and_stops_at_the_first_failure() {
        let mut number = 0;
        let found = all(5, || {
            number += 1;
            let number = number;
            async move {
                tokio::time::sleep(Duration::from_millis(6 - number)).await;
                Ok(number)
            }
        });
        assert_eq!(found.await.unwrap(), [1, 2, 3, 4, 5]);
        let failing: Result<Vec<()>> = all(3, || async { anyhow::bail!("no") }).await;
        assert_eq!(failing.unwrap_err().to_string(), "no");
        assert!(all(0, || async { Ok(1) }).await.unwrap().is_empty());
    }
}
