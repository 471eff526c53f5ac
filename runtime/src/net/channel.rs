//! A gRPC channel over the transport seam.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::{Role, Tls, Transport};

/// The longest that connecting may take, handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often an idle connection is asked whether it lives.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How long the answer may take before the connection is given up.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(4);
/// Flow-control window of one stream, bytes: enough for 1 MiB pages in flight over 240 ms round trips.
const STREAM_WINDOW: u32 = 4 << 20;
/// Flow-control window of the connection, bytes.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Largest HTTP/2 frame between processes, bytes: with its head four records of TLS, which leave in one write.
pub const LINK_FRAME: u32 = (64 << 10) - 9;

/// A channel to the process at `address` (`host:port`), which must have `role` when `tls` is given.
///
/// It connects on first use and again whenever the connection was lost; a call fails with `UNAVAILABLE` at once while
/// there is none. HTTP/2 pings find a dead peer within 6 s even when nothing else is sent.
///
/// # Errors
/// When `address` is not `host:port`.
pub fn channel(transport: Arc<dyn Transport>, address: &str, tls: Option<Arc<Tls>>, role: Role) -> io::Result<Channel> {
    let uri: Uri = format!("http://{address}").parse().map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{address:?} is not an address like host:port: {error}"))
    })?;
    let endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(LINK_FRAME);
    let address = address.to_owned();
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (transport, tls, address) = (transport.clone(), tls.clone(), address.clone());
        async move {
            let connect = async {
                let io = transport.connect(&address).await?;
                match tls {
                    Some(tls) => tls.connect(io, role).await,
                    None => Ok(io),
                }
            };
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection to {address} in time"));
            tokio::time::timeout(CONNECT_TIMEOUT, connect).await.map_err(late)?.map(TokioIo::new)
        }
    })))
}
