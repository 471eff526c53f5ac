//! Counters of the servers, from their metrics listeners.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Syncs of a node's log.
pub(crate) const FSYNCS: &str = "hansard_node_fsyncs_total";

/// How long one listener may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most that is read of one page, bytes.
const MOST: u64 = 8 << 20;

/// The sum of a counter over all these listeners; `None` if one of them does not tell.
pub(crate) async fn sum(urls: &[String], counter: &str) -> Option<u64> {
    if urls.is_empty() {
        return None;
    }
    let mut sum = 0;
    for url in urls {
        let page = timeout(PATIENCE, get(url)).await.ok()?.ok()?;
        sum += read(&page, counter)?;
    }
    Some(sum)
}

/// A metric's values by its first label's; `None` if the listener does not tell.
pub(crate) async fn by_label(url: &str, metric: &str) -> Option<BTreeMap<String, u64>> {
    let page = timeout(PATIENCE, get(url)).await.ok()?.ok()?;
    let values = page.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(metric)?.strip_prefix('{')?.rsplit_once("} ")?;
        Some((labels.split('"').nth(1)?.to_owned(), value.split_whitespace().next()?.parse::<f64>().ok()? as u64))
    });
    Some(values.collect())
}

/// One page, by HTTP/1.0, so that it comes in one piece.
async fn get(url: &str) -> std::io::Result<String> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(format!("GET /{path} HTTP/1.0\r\nhost: {host}\r\n\r\n").as_bytes()).await?;
    let mut page = Vec::new();
    stream.take(MOST).read_to_end(&mut page).await?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The sum of a counter over its labels.
fn read(page: &str, counter: &str) -> Option<u64> {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(counter)?;
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<f64>().ok()
    });
    values.map(|value| value as u64).reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "HTTP/1.0 200 OK\r\n\r\n# TYPE hansard_node_fsyncs counter\nhansard_node_fsyncs_total 41\n\
                        hansard_node_fsyncs_total_other 9\nhansard_x_total{shard=\"a b\"} 2\nhansard_x_total{shard=\"c\"} 3 # {}\n";

    #[test]
    fn reads_counters_with_and_without_labels() {
        assert_eq!(read(PAGE, FSYNCS), Some(41));
        assert_eq!(read(PAGE, "hansard_missing_total"), None);
        assert_eq!(
            read("hansard_x_total{shard=\"a b\"} 2\nhansard_x_total{shard=\"c\"} 3\n", "hansard_x_total"),
            Some(5)
        );
    }

    #[tokio::test]
    async fn asks_a_listener() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 64];
                let read = stream.read(&mut head).await.unwrap();
                assert!(head[..read].starts_with(b"GET /metrics HTTP/1.0\r\n"));
                stream.write_all(PAGE.as_bytes()).await.unwrap();
            }
        });
        assert_eq!(sum(std::slice::from_ref(&url), FSYNCS).await, Some(41));
        let shards = by_label(&url, "hansard_x_total").await.unwrap();
        assert_eq!(shards, BTreeMap::from([("a b".to_owned(), 2), ("c".to_owned(), 3)]));
        assert_eq!(sum(&[], FSYNCS).await, None);
    }
}
