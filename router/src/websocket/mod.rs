//! The WebSocket adapter: `/v1/connect`, one frame per message.

mod carrier;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::StreamExt;
use hansard_runtime::Drain;
use hansard_runtime::net::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;

use crate::connection::{self, Codec};
use crate::edge::Edge;
use crate::limits::{HEAD_TIMEOUT, HEADER_BYTES, REPLY_BYTES};
use crate::metrics::Carrier;

/// The subprotocol of ProtoJSON text.
pub(crate) const JSON: &str = "hansard.v1.json";
/// The subprotocol of binary protobuf.
pub(crate) const PROTO: &str = "hansard.v1.proto";
/// Buffers of a WebSocket, bytes: small, as most connections are idle.
const BUFFER: usize = 4 << 10;
/// What may wait inside the WebSocket library, bytes: the largest frame, behind what it has not written yet. Beyond it the
/// library ends the connection.
const WRITE_BUFFER: usize = REPLY_BYTES + 4 * BUFFER;
/// Messages that are read at all, bytes; those over a frame's bound are answered with what the bound is.
const READ_BOUND: usize = 1 << 20;

/// Serves until the drain has begun; sessions are ended by the router's own drain.
pub(crate) async fn serve(edge: Arc<Edge>, mut incoming: Incoming, mut drain: Drain) {
    let router = Router::new().route("/v1/connect", any(connect)).fallback(elsewhere).with_state(edge);
    loop {
        let io = tokio::select! {
            next = incoming.next() => match next {
                Some(Ok(io)) => io,
                Some(Err(_)) => continue,
                None => return,
            },
            () = drain.wait() => return,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEADER_BYTES as usize)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        tokio::spawn(async move {
            // Clients come and go in every way; their errors are theirs.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP connection broke");
            }
        });
    }
}

async fn connect(
    State(edge): State<Arc<Edge>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade.protocols([JSON, PROTO]),
        Err(rejection) => {
            let text = format!(
                "{rejection}. This is a WebSocket endpoint: connect with ws(s):// and subprotocol {JSON} or {PROTO}.\n"
            );
            return (rejection.status(), text).into_response();
        }
    };
    let (codec, transport) = match upgrade.selected_protocol() {
        Some(protocol) if protocol == JSON => (Codec::Json, "websocket_json"),
        Some(_) => (Codec::Proto, "websocket_proto"),
        None => {
            let text =
                format!("Ask for the WebSocket subprotocol {JSON} (ProtoJSON text) or {PROTO} (binary protobuf).\n");
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(READ_BOUND)
        .max_frame_size(READ_BOUND)
        .on_upgrade(move |socket| {
            let (sink, source) = socket.split();
            let (source, sink) = (carrier::Source::new(source, codec), carrier::Sink::new(sink, codec));
            connection::serve(edge, source, sink, codec, Carrier { transport })
        })
}

async fn elsewhere() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing here; sessions are at /v1/connect.\n").into_response()
}
