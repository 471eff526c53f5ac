//! One link to one node, made again whenever it breaks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hansard_domain::ClusterId;
use hansard_proto::cluster::v1::{LinkHello, LinkResponse, LinkWelcome};
use hansard_proto::hot::BytesCodec;
use hansard_runtime::net::{self, Role};
use http::uri::PathAndQuery;
use prost::Message;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{IntoStreamingRequest, Streaming};

use super::conn::{Conn, ConnId, Outgoing, Writer};
use super::{LinkEvents, Upstream};
use crate::limits::LINK_PAUSE;

/// The link's path.
const LINK: PathAndQuery = PathAndQuery::from_static("/hansard.cluster.v1.EdgeService/Link");
/// The newest version of the link's messages that this router speaks.
const PROTOCOL: u32 = 2;
/// How long a node may take to say welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest batch from a node: pages and feeds of up to 1 MiB each, several to a batch.
const MAX_BATCH: usize = 64 << 20;
/// How often calls whose time is over are looked for.
const EXPIRY: Duration = Duration::from_millis(250);
/// Pause before an address is tried again whose node is linked by another address.
const ALIAS_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("{0}")]
    Status(#[from] tonic::Status),
    #[error("the address is none: {0}")]
    Address(#[from] std::io::Error),
    #[error("the node said no welcome in time")]
    Silent,
    #[error("a message cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
    #[error("the first message was no welcome")]
    NoWelcome,
    #[error("the node is of another cluster; point this router at nodes of one cluster only")]
    OtherCluster,
    #[error("the node is linked by another address already")]
    Alias,
}

/// Links to the node at `address`, for ever.
pub(super) async fn keep(upstream: Arc<Upstream>, address: String, events: Arc<dyn LinkEvents>) {
    let mut pause = LINK_PAUSE.0;
    loop {
        let error = match once(&upstream, &address, events.as_ref()).await {
            Ok(lived) => {
                pause = LINK_PAUSE.0;
                lived
            }
            Err(error) => error,
        };
        upstream.metrics.link_breaks.inc();
        let wait = match error {
            LinkError::Alias => ALIAS_PAUSE,
            LinkError::OtherCluster => {
                tracing::error!(%address, %error, "a node is not linked");
                ALIAS_PAUSE
            }
            error => {
                tracing::debug!(%address, %error, "no link to a node");
                upstream.jittered(pause)
            }
        };
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LINK_PAUSE.1);
    }
}

/// Links once. `Ok`: the link stood, and then broke for this reason.
async fn once(upstream: &Arc<Upstream>, address: &str, events: &dyn LinkEvents) -> Result<LinkError, LinkError> {
    let seams = &upstream.seams;
    let channel = net::channel(seams.transport.clone(), address, upstream.tls.clone(), Role::Node)?;
    let outgoing = Arc::<Outgoing>::default();
    let hello = LinkHello { protocol: PROTOCOL, ..upstream.hello.clone() };
    let opened = open(channel, Writer::new(hello, outgoing.clone()));
    let (welcome, stream) = tokio::time::timeout(WELCOME_TIMEOUT, opened).await.map_err(|_| LinkError::Silent)??;
    let cluster = ClusterId::from_slice(&welcome.cluster).map_err(|_| LinkError::NoWelcome)?;
    let node = welcome.node.ok_or(LinkError::NoWelcome)?;
    if !upstream.directory.joined(cluster) {
        return Err(LinkError::OtherCluster);
    }
    let id = ConnId { node: node.id, generation: upstream.generation.fetch_add(1, Ordering::Relaxed) };
    let conn = Arc::new(Conn::new(id, outgoing));
    let _registered = Registered::new(upstream, conn.clone(), events).ok_or(LinkError::Alias)?;
    tracing::info!(%address, node = node.id, name = node.name, site = node.site, "linked to a node");
    let error = read(&conn, stream, events).await;
    tracing::info!(%address, node = node.id, %error, "the link to a node broke");
    Ok(error)
}

async fn open(channel: Channel, writer: Writer) -> Result<(LinkWelcome, Streaming<Bytes>), LinkError> {
    let mut client = Grpc::new(channel).max_decoding_message_size(MAX_BATCH);
    client.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let mut stream = client.streaming(writer.into_streaming_request(), LINK, BytesCodec).await?.into_inner();
    let first = stream.message().await?.map(LinkResponse::decode).transpose()?;
    Ok((first.and_then(|first| first.welcome).ok_or(LinkError::NoWelcome)?, stream))
}

async fn read(conn: &Conn, mut stream: Streaming<Bytes>, events: &dyn LinkEvents) -> LinkError {
    let mut first = true;
    let mut looks = tokio::time::interval(EXPIRY);
    loop {
        let message = tokio::select! {
            message = stream.message() => message,
            _ = looks.tick() => {
                conn.expire(Instant::now());
                continue;
            }
        };
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => return LinkError::Status(tonic::Status::unavailable("the node ended the link")),
            Err(status) => return LinkError::Status(status),
        };
        let batch = match LinkResponse::decode(message) {
            Ok(batch) => batch,
            Err(error) => return LinkError::Unreadable(error),
        };
        if let Some(directory) = batch.directory {
            events.directory(conn.id, directory, first);
            first = false;
        }
        conn.answer(batch.committed.unwrap_or_default(), batch.replies);
        for feed in batch.feeds {
            events.feed(conn.id, feed);
        }
        for signal in batch.signals {
            events.signal(signal);
        }
    }
}

/// The connection among those that can be used, until dropped.
struct Registered<'a> {
    upstream: &'a Upstream,
    conn: Arc<Conn>,
    events: &'a dyn LinkEvents,
}

impl<'a> Registered<'a> {
    fn new(upstream: &'a Upstream, conn: Arc<Conn>, events: &'a dyn LinkEvents) -> Option<Self> {
        if !upstream.register(&conn) {
            return None;
        }
        events.up(conn.id);
        Some(Self { upstream, conn, events })
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.upstream.unregister(self.conn.id);
        self.conn.close();
        self.events.down(self.conn.id);
    }
}
