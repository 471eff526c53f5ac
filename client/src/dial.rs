//! Opening a session: connection, hello, welcome.

use std::{io, sync::Arc, time::Duration};

use hansard_proto::{
    hot::BytesCodec,
    rpc::Status,
    status,
    v1::{ConnectRequest, ConnectResponse, Hello, Welcome, connect_request, connect_response},
};
use hyper_util::rt::TokioIo;
use prost::{Message, bytes::Bytes};
use tonic::{
    Code, IntoStreamingRequest, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Uri},
};
use tower::{Service, service_fn};

use crate::{ClientError, Config, Connector, Io, core::Core, outgoing::Outgoing};

/// The session's path.
const CONNECT: PathAndQuery = PathAndQuery::from_static("/hansard.v1.SessionService/Connect");
/// How long a TCP and TLS connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long hello and welcome may take; the router may have to ask its cluster who the person is.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that stands.
pub(crate) struct Session {
    pub(crate) welcome: Welcome,
    /// Each the bytes of a `ConnectResponse`.
    pub(crate) frames: Streaming<Bytes>,
}

/// Why no session stands.
pub(crate) enum DialError {
    /// Another router, or the same one later, may do.
    Lost(String),
    /// The token does not do.
    Unauthenticated(Status),
    /// Trying again can't help.
    Fatal(ClientError),
}

/// Opens a session at a router.
pub(crate) async fn dial(core: &Arc<Core>, config: &Config, address: &str) -> Result<Session, DialError> {
    let token = config
        .token
        .get()
        .await
        .map_err(|why| DialError::Unauthenticated(status::new(Code::Unauthenticated, "TOKEN_MISSING", why)))?;
    let endpoint = endpoint(config, address)?;
    let connected = match &config.connector {
        Some(connector) => endpoint.connect_with_connector(service(connector)).await,
        None => endpoint.connect().await,
    };
    let channel = connected.map_err(|error| DialError::Lost(format!("{address}: {}", causes(&error))))?;
    let opening = tokio::time::timeout(WELCOME_TIMEOUT, open(core, config, channel, token));
    match opening.await {
        Ok(session) => session.map_err(|error| match error {
            DialError::Lost(why) => DialError::Lost(format!("{address}: {why}")),
            other => other,
        }),
        Err(_) => Err(DialError::Lost(format!("{address}: no welcome within {WELCOME_TIMEOUT:?}"))),
    }
}

/// The connector as tonic wants it.
fn service(
    connector: &Connector,
) -> impl Service<Uri, Response = TokioIo<Box<dyn Io>>, Error = io::Error, Future: Send> + Send + use<> {
    let connect = connector.0.clone();
    service_fn(move |uri: Uri| {
        let stream = connect(uri.authority().map_or_else(String::new, |authority| authority.to_string()));
        async move { stream.await.map(TokioIo::new) }
    })
}

fn endpoint(config: &Config, address: &str) -> Result<Endpoint, DialError> {
    let invalid = |why: &dyn std::fmt::Display| DialError::Lost(format!("{address}: {why}"));
    let endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|error| invalid(&error))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true);
    if !address.starts_with("https://") {
        return Ok(endpoint);
    }
    let Some(ca) = &config.ca_pem else {
        return Err(DialError::Fatal(ClientError::Invalid(format!(
            "{address} needs a CA certificate to check it with"
        ))));
    };
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    endpoint.tls_config(tls).map_err(|error| invalid(&causes(&error)))
}

async fn open(core: &Arc<Core>, config: &Config, channel: Channel, token: String) -> Result<Session, DialError> {
    let (generation, cursors) = core.begin();
    let hello = Hello { token, cursors, agent: config.agent.clone() };
    let hello = ConnectRequest { frame: Some(connect_request::Frame::Hello(hello)) };
    let outgoing = Outgoing::new(core.clone(), generation, &hello);
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| DialError::Lost(causes(&error)))?;
    let session = client.streaming(outgoing.into_streaming_request(), CONNECT, BytesCodec);
    let mut frames = session.await.map_err(|error| ended(&error))?.into_inner();
    let first = frames.message().await.map_err(|error| ended(&error))?.map(ConnectResponse::decode);
    let first = first.transpose().map_err(|error| DialError::Lost(error.to_string()))?;
    match first.and_then(|response| response.frame) {
        Some(connect_response::Frame::Welcome(welcome)) => Ok(Session { welcome, frames }),
        Some(connect_response::Frame::Refusal(refusal)) => Err(refused(refusal.status.unwrap_or_default())),
        Some(connect_response::Frame::Reconnect(reconnect)) => Err(refused(reconnect.status.unwrap_or_default())),
        _ => Err(DialError::Lost("the first frame was no welcome".into())),
    }
}

fn ended(error: &tonic::Status) -> DialError {
    refused(status::from_tonic(error))
}

fn refused(status: Status) -> DialError {
    match status::code_of(&status) {
        Code::Unauthenticated => DialError::Unauthenticated(status),
        Code::InvalidArgument | Code::PermissionDenied | Code::Unimplemented | Code::FailedPrecondition => {
            DialError::Fatal(ClientError::from_status(&status, None))
        }
        code => DialError::Lost(format!("{code}: {}", status.message)),
    }
}

/// An error with its causes, since the outermost says only "transport error".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
