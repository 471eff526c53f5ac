//! Asking a node about itself, on the listener that it has for that.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How long a node may take to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// The longest answer to a probe of its health, head included.
const PROBE: usize = 4_096;

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&format!("{address}:7401").parse()?, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    Ok(stream)
}

/// A node's metrics.
pub(crate) fn metrics(address: &str) -> Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure!(text.starts_with("HTTP/1.1 200"), "{address} does not answer as it should");
    Ok(text)
}

/// A node's metric that has no labels.
pub(crate) fn metric(address: &str, name: &str) -> Result<f64> {
    let text = metrics(address)?;
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let value = lines.find_map(|line| line.split_once(name)?.1.strip_prefix(' '));
    Ok(value.with_context(|| format!("{address} has no metric {name}"))?.trim().parse()?)
}

/// A connection that stays open, over which a node was asked how it is.
#[derive(Debug)]
pub(crate) struct Knock(TcpStream);

impl Knock {
    /// Asks.
    pub(crate) fn at(address: &str) -> Result<Self> {
        let mut stream = connect(address)?;
        stream.write_all(format!("GET /livez HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())?;
        Ok(Self(stream))
    }

    /// Whether the answer comes within this time. An end of the connection is none.
    pub(crate) fn is_answered(&mut self, within: Duration) -> Result<bool> {
        self.0.set_read_timeout(Some(within))?;
        Ok(self.0.read(&mut [0; PROBE]).is_ok_and(|bytes| bytes > 0))
    }
}
