//! Probes and metrics of a process, over the plain HTTP that they are served by.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// What is answered to a GET of `path` at a `metrics` URL of the ready file, head and body; `None` if nobody answers.
pub fn get(url: &str, path: &str) -> Option<String> {
    let address = url.trim_start_matches("http://").split('/').next()?;
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Whether a process says that it is ready: caught up, not draining.
pub fn ready(url: &str) -> bool {
    get(url, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// The sum of a metric's samples; `name` may have labels: those are then the whole of a sample's.
pub fn metric(url: &str, name: &str) -> u64 {
    let text = get(url, "/metrics").expect("metrics");
    let starts = |rest: &str| rest.starts_with(' ') || rest.starts_with('{');
    let samples = text.lines().filter(|line| line.strip_prefix(name).is_some_and(starts));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}
