//! The listener for nodes and routers.

use std::{sync::Arc, time::Duration};

use hansard_proto::cluster::v1::{edge_service_server::EdgeServiceServer, peer_service_server::PeerServiceServer};
use hansard_runtime::{
    Drain,
    net::{LINK_FRAME, Listener, Tls, incoming},
};
use tokio::task::JoinHandle;
use tonic::transport::Server;

use crate::{
    cut::cut,
    rpc::{Edge, Peer},
    state::Node,
};

/// Largest message either way, bytes: an append or a snapshot chunk of 1 MiB and what wraps them, or a batch of calls.
const MESSAGE: usize = 4 << 20;

/// How often a silent connection is asked whether it lives, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(2);

/// See [`KEEPALIVE`].
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(4);

/// Streams of one connection: a peer has one for consensus, one for snapshots and a few calls; a router has one.
const STREAMS: u32 = 64;

/// Header bytes of one request.
const HEADERS: u32 = 16 << 10;

/// Streams that a peer may have reset before we have looked at them.
const RESETS: usize = 32;

/// Window of one stream, bytes: a consensus stream carries what a site link takes, at 240 ms.
const STREAM_WINDOW: u32 = 4 << 20;

/// Window of a connection, bytes.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Serves until the drain begins, which breaks every connection.
pub(crate) fn serve(
    node: &Arc<Node>,
    listener: Box<dyn Listener>,
    tls: Option<Arc<Tls>>,
    drain: Drain,
) -> JoinHandle<()> {
    let peer = PeerServiceServer::new(Peer(node.clone()))
        .max_decoding_message_size(MESSAGE)
        .max_encoding_message_size(MESSAGE);
    let edge = EdgeServiceServer::new(Edge(node.clone()))
        .max_decoding_message_size(MESSAGE)
        .max_encoding_message_size(MESSAGE);
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(LINK_FRAME)
        .http2_max_header_list_size(Some(HEADERS))
        .http2_max_pending_accept_reset_streams(Some(RESETS))
        .add_service(peer)
        .add_service(edge);
    let connections = cut(incoming(listener, tls), drain.clone());
    tokio::spawn(async move {
        let served = server.serve_with_incoming_shutdown(connections, drain.started_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the listener for nodes and routers failed");
        }
    })
}
