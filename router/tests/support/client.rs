//! Clients over gRPC and both WebSocket subprotocols, as raw as a stranger's.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hansard_domain::RequestId;
use hansard_proto::any::{pack, unpack};
use hansard_proto::json;
use hansard_proto::rpc::Status;
use hansard_proto::v1::connect_request::Frame as Ask;
use hansard_proto::v1::connect_response::Frame;
use hansard_proto::v1::session_service_client::SessionServiceClient;
use hansard_proto::v1::*;
use hansard_router::RouterHandle;
use prost::{Message as _, Name};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use tonic::Streaming;
use tonic::transport::Channel;

/// How long anything may take; generous, as machines are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What carries a client's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Grpc,
    Json,
    Proto,
}

impl Carrier {
    pub(crate) const ALL: [Self; 3] = [Self::Grpc, Self::Json, Self::Proto];
}

enum Wire {
    Grpc(mpsc::Sender<ConnectRequest>, Box<Streaming<ConnectResponse>>),
    Ws(Box<WebSocketStream<TcpStream>>, Carrier),
}

/// A client.
pub(crate) struct Client {
    wire: Wire,
    next: u64,
}

/// What came.
#[allow(clippy::large_enum_variant, reason = "few are alive at a time")]
#[derive(Debug)]
pub(crate) enum Came {
    Frame(Frame),
    /// The stream ended, over gRPC with this status, over WebSocket with this close reason.
    End(String),
}

impl Client {
    pub(crate) async fn connect(carrier: Carrier, router: &RouterHandle) -> Self {
        let wire = match carrier {
            Carrier::Grpc => {
                let channel =
                    Channel::from_shared(format!("http://{}", router.grpc_addr)).unwrap().connect().await.unwrap();
                let (sender, receiver) = mpsc::channel(1_024);
                let stream = SessionServiceClient::new(channel).connect(ReceiverStream::new(receiver)).await.unwrap();
                Wire::Grpc(sender, Box::new(stream.into_inner()))
            }
            Carrier::Json => Wire::Ws(Box::new(websocket(router, Some("hansard.v1.json")).await.unwrap()), carrier),
            Carrier::Proto => Wire::Ws(Box::new(websocket(router, Some("hansard.v1.proto")).await.unwrap()), carrier),
        };
        Self { wire, next: 0 }
    }

    pub(crate) async fn say(&mut self, frame: Ask) {
        let request = ConnectRequest { frame: Some(frame) };
        match &mut self.wire {
            Wire::Grpc(sender, _) => sender.send(request).await.unwrap(),
            Wire::Ws(socket, Carrier::Json) => {
                socket.send(Message::text(json::encode(&request).unwrap())).await.unwrap();
            }
            Wire::Ws(socket, _) => socket.send(Message::binary(request.encode_to_vec())).await.unwrap(),
        }
    }

    /// Sends a raw WebSocket message, or as much of it as the router takes before it ends the session.
    pub(crate) async fn raw(&mut self, message: Message) {
        let Wire::Ws(socket, _) = &mut self.wire else { panic!("gRPC has no raw messages") };
        let _ = socket.send(message).await;
    }

    pub(crate) async fn next(&mut self) -> Came {
        tokio::time::timeout(PATIENCE, self.next_of_wire()).await.expect("nothing came in time")
    }

    async fn next_of_wire(&mut self) -> Came {
        let frame = match &mut self.wire {
            Wire::Grpc(_, stream) => match stream.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return Came::End(String::new()),
                Err(status) => {
                    let status: Status = status.into();
                    return Came::End(hansard_proto::status::reason_of(&status).unwrap_or(status.message));
                }
            },
            Wire::Ws(socket, _) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => break json::decode(&text).unwrap(),
                    Some(Ok(Message::Binary(bytes))) => break ConnectResponse::decode(bytes).unwrap(),
                    Some(Ok(Message::Close(close))) => {
                        return Came::End(close.map(|close| close.reason.to_string()).unwrap_or_default());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Came::End(error.to_string()),
                    None => return Came::End(String::new()),
                }
            },
        };
        Came::Frame(frame.frame.unwrap())
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        match self.next().await {
            Came::Frame(frame) => frame,
            Came::End(why) => panic!("the session ended: {why}"),
        }
    }

    /// The next frame that `pick` wants; others are passed over.
    pub(crate) async fn wait<T>(&mut self, pick: impl Fn(Frame) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(self.frame().await) {
                return found;
            }
        }
    }

    /// The reason by which the session ends, whatever comes before.
    pub(crate) async fn end(&mut self) -> String {
        let mut told = None;
        loop {
            match self.next().await {
                Came::End(why) if why.is_empty() => return told.unwrap_or_default(),
                Came::End(why) => return told.unwrap_or(why),
                Came::Frame(Frame::Reconnect(reconnect)) => {
                    told = hansard_proto::status::reason_of(&reconnect.status.unwrap());
                }
                Came::Frame(_) => {}
            }
        }
    }

    pub(crate) async fn hello(&mut self, token: &str) -> Welcome {
        self.hello_with(token, vec![]).await
    }

    pub(crate) async fn hello_with(&mut self, token: &str, cursors: Vec<Cursor>) -> Welcome {
        self.say(Ask::Hello(Hello { token: token.into(), cursors, agent: "test".into() })).await;
        match self.frame().await {
            Frame::Welcome(welcome) => welcome,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn try_hello(&mut self, token: &str) -> bool {
        self.say(Ask::Hello(Hello { token: token.into(), ..Hello::default() })).await;
        matches!(self.next().await, Came::Frame(Frame::Welcome(_)))
    }

    pub(crate) async fn call<Q: prost::Message + Name, A: prost::Message + Name + Default>(
        &mut self,
        method: &str,
        request: &Q,
    ) -> Result<A, Status> {
        self.next += 1;
        let id = self.next;
        self.say(Ask::Call(Call { id, method: method.into(), body: Some(pack(request)) })).await;
        let outcome = self.wait(|frame| match frame {
            Frame::Reply(reply) if reply.id == id => reply.outcome,
            _ => None,
        });
        match outcome.await {
            reply::Outcome::Body(body) => Ok(unpack(&body).unwrap()),
            reply::Outcome::Status(status) => Err(status),
        }
    }

    /// Creates a public room; returns its id.
    pub(crate) async fn room(&mut self, name: &str) -> String {
        let visibility = Visibility::Public.into();
        let request =
            CreateRoomRequest { request_id: request_id(), name: name.into(), topic: String::new(), visibility };
        let created: CreateRoomResponse = self.call("hansard.v1.RoomService/CreateRoom", &request).await.unwrap();
        created.room.unwrap().id
    }

    pub(crate) async fn follow(&mut self, room: &str, after_seq: u64) -> Followed {
        self.say(Ask::Follow(Follow { room: room.into(), after_seq, from_now: false })).await;
        self.wait(|frame| match frame {
            Frame::Followed(followed) => Some(followed),
            Frame::Refusal(refusal) => panic!("{refusal:?}"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn send(&mut self, room: &str, text: &str) {
        self.say(Ask::Send(Send { request_id: request_id(), room: room.into(), text: text.into() })).await;
    }

    pub(crate) async fn ack(&mut self) -> Ack {
        self.wait(|frame| match frame {
            Frame::Ack(ack) => Some(ack),
            Frame::Refusal(refusal) => panic!("{refusal:?}"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.wait(|frame| if let Frame::Event(event) = frame { Some(event) } else { None }).await
    }

    pub(crate) async fn refusal(&mut self) -> String {
        let refusal = self.wait(|frame| if let Frame::Refusal(refusal) = frame { Some(refusal) } else { None }).await;
        hansard_proto::status::reason_of(&refusal.status.unwrap()).unwrap()
    }
}

/// A new request id.
pub(crate) fn request_id() -> String {
    let mut id = [0; 16];
    hansard_runtime::Entropy::fill(&hansard_runtime::OsEntropy, &mut id);
    RequestId::from_bytes(id).to_string()
}

/// A bare WebSocket; the error is the HTTP answer's status and text.
pub(crate) async fn websocket(
    router: &RouterHandle,
    subprotocol: Option<&str>,
) -> Result<WebSocketStream<TcpStream>, (u16, String)> {
    let mut request = format!("ws://{}/v1/connect", router.ws_addr).into_client_request().unwrap();
    if let Some(subprotocol) = subprotocol {
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
    }
    let stream = TcpStream::connect(&router.ws_addr).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
            let text = answer.body().as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
            Err((answer.status().as_u16(), text.unwrap_or_default()))
        }
        Err(error) => panic!("{error}"),
    }
}
