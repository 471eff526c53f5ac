//! One session over gRPC, or over WebSocket in JSON: the same frames.

use futures_util::{SinkExt, StreamExt};
use hansard_proto::{
    json,
    v1::{ConnectRequest, ConnectResponse, connect_request::Frame as Up, connect_response::Frame as Down},
};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::{PATIENCE, cluster::Router};

/// Which protocol carries a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Grpc,
    WebSocketJson,
    WebSocketProto,
}

/// What goes up: a frame, or raw bytes that are none.
pub enum Raw {
    Frame(ConnectRequest),
    Text(String),
    Binary(Vec<u8>),
}

/// A connection that has not said hello yet, or a session.
pub struct Conn {
    up: mpsc::Sender<Raw>,
    down: mpsc::Receiver<Result<ConnectResponse, String>>,
}

impl Conn {
    /// Connects without saying hello.
    pub async fn open(over: Over, router: &Router) -> Conn {
        match over {
            Over::Grpc => grpc(&router.grpc).await,
            Over::WebSocketJson => websocket(&router.ws, "hansard.v1.json").await,
            Over::WebSocketProto => websocket(&router.ws, "hansard.v1.proto").await,
        }
    }

    /// Sends a frame.
    pub async fn send(&self, frame: Up) {
        let _ = self.up.send(Raw::Frame(ConnectRequest { frame: Some(frame) })).await;
    }

    /// Sends what is not a frame (WebSocket only).
    pub async fn send_raw(&self, raw: Raw) {
        let _ = self.up.send(raw).await;
    }

    /// The next frame; an `Err` says how the connection ended.
    pub async fn recv(&mut self) -> Result<Down, String> {
        let got = tokio::time::timeout(PATIENCE, self.down.recv()).await.expect("no frame within a minute");
        match got {
            Some(Ok(response)) => Ok(response.frame.expect("a frame of a kind that this client knows")),
            Some(Err(why)) => Err(why),
            None => Err("closed".to_owned()),
        }
    }

    /// A frame, if one comes within `within`. The end of the connection fails the test.
    pub async fn poll(&mut self, within: std::time::Duration) -> Option<Down> {
        let got = tokio::time::timeout(within, self.down.recv()).await.ok()?;
        got.expect("the session stands").expect("the session stands").frame
    }

    /// Waits until the connection has ended, and says how; frames on the way are dropped.
    pub async fn ended(&mut self) -> String {
        loop {
            if let Err(why) = self.recv().await {
                return why;
            }
        }
    }
}

/// Code, reason and message of a status.
fn said(status: &tonic::Status) -> String {
    let reason = hansard_proto::status::reason_of(&hansard_proto::status::from_tonic(status)).unwrap_or_default();
    format!("{:?} {reason}: {}", status.code(), status.message())
}

async fn grpc(url: &str) -> Conn {
    use hansard_proto::v1::session_service_client::SessionServiceClient;
    let channel = tonic::transport::Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let (up, mut requests) = mpsc::channel::<Raw>(64);
    let (to, down) = mpsc::channel(256);
    let (frames, rx) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Some(raw) = requests.recv().await {
            let Raw::Frame(frame) = raw else { panic!("only frames go over gRPC") };
            if frames.send(frame).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut client = SessionServiceClient::new(channel);
        let stream = client.connect(tokio_stream::wrappers::ReceiverStream::new(rx)).await;
        let mut stream = match stream {
            Ok(response) => response.into_inner(),
            Err(status) => {
                let _ = to.send(Err(said(&status))).await;
                return;
            }
        };
        loop {
            let item = match stream.message().await {
                Ok(Some(frame)) => Ok(frame),
                Ok(None) => Err("closed".to_owned()),
                Err(status) => Err(said(&status)),
            };
            let over = item.is_err();
            if to.send(item).await.is_err() || over {
                return;
            }
        }
    });
    Conn { up, down }
}

async fn websocket(url: &str, protocol: &'static str) -> Conn {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
    let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let (mut sink, mut stream) = socket.split();
    let (up, mut requests) = mpsc::channel::<Raw>(64);
    let (to, down) = mpsc::channel(256);
    let as_json = protocol.ends_with("json");
    tokio::spawn(async move {
        while let Some(raw) = requests.recv().await {
            let message = match raw {
                Raw::Frame(frame) if as_json => Message::text(json::encode(&frame).unwrap()),
                Raw::Frame(frame) => Message::binary(prost::Message::encode_to_vec(&frame)),
                Raw::Text(text) => Message::text(text),
                Raw::Binary(bytes) => Message::binary(bytes),
            };
            if sink.send(message).await.is_err() {
                return;
            }
        }
        let _ = sink.close().await;
    });
    tokio::spawn(async move {
        loop {
            let item = match stream.next().await {
                Some(Ok(Message::Text(text))) => json::decode(text.as_str()).map_err(|e| e.to_string()),
                Some(Ok(Message::Binary(bytes))) => {
                    <ConnectResponse as prost::Message>::decode(bytes).map_err(|e| e.to_string())
                }
                Some(Ok(Message::Close(close))) => {
                    Err(close.map_or("closed".to_owned(), |c| format!("{}: {}", c.code, c.reason)))
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => Err(error.to_string()),
                None => Err("closed".to_owned()),
            };
            let over = item.is_err();
            if to.send(item).await.is_err() || over {
                return;
            }
        }
    });
    Conn { up, down }
}
