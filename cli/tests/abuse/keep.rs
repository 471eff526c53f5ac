//! Connections that stay, whether they are wanted or not.

use std::{
    future::{Future, pending},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How often an attacker comes back after the server has ended its connection.
const AGAIN: usize = 3;
/// Between two drops of what a slow client says.
const DRIP: Duration = Duration::from_millis(20);

/// Opens so many connections, and keeps them all until what goes on beside them is done; each says `drip` again and again. What
/// the server ends is opened again, [`AGAIN`] times at most. Gives how many were opened.
pub(crate) async fn keep<F>(count: usize, open: impl Fn() -> F, drip: &[u8], beside: impl Future<Output = ()>) -> u64
where
    F: Future<Output = TcpStream>,
{
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(open().await);
    }
    let opened = AtomicU64::new(count as u64);
    let (open, total) = (&open, &opened);
    let kept = held.into_iter().map(|stream| async move {
        until_ended(stream, drip).await;
        for _ in 0..AGAIN {
            total.fetch_add(1, Ordering::Relaxed);
            until_ended(open().await, drip).await;
        }
    });
    let attack = async {
        join_all(kept).await;
        pending::<()>().await;
    };
    tokio::select! {
        () = beside => {}
        () = attack => {}
    }
    opened.load(Ordering::Relaxed)
}

/// Reads what comes, until the server has ended the connection.
async fn until_ended(mut stream: TcpStream, drip: &[u8]) {
    let mut sink = [0; 1 << 10];
    let mut tick = tokio::time::interval(DRIP);
    loop {
        let stands = tokio::select! {
            read = stream.read(&mut sink) => read.is_ok_and(|n| n > 0),
            _ = tick.tick(), if !drip.is_empty() => stream.write_all(drip).await.is_ok(),
        };
        if !stands {
            return;
        }
    }
}
