//! The one task behind a client: it keeps a session standing and reads from it.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use futures_util::FutureExt;
use hansard_proto::{
    hot, status,
    v1::{ConnectResponse, Ping, Reconnect, connect_request},
};
use prost::{Message, bytes::Bytes};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};
use tonic::Code;

use crate::{
    ClientError, Config, Token,
    addresses::Addresses,
    backoff::Backoff,
    core::{Control, Core},
    dial::{DialError, Session, dial},
    dice,
    pulse::{Beat, Pulse},
};

/// How many frames are read in a row before timers get a look.
const READ_BATCH: usize = 128;
/// How often in a row a token provider may hand out tokens that are not taken.
const TOKEN_ATTEMPTS: u32 = 3;
/// A session that stood for so long counts as a success; one that ends sooner lengthens the wait before the next.
const LASTING: Duration = Duration::from_secs(1);
/// The longest wait that a server may ask for before a reconnect.
const MAX_HINTED_WAIT: Duration = Duration::from_secs(60);

/// How a session ended.
enum End {
    /// The client was closed.
    Closed,
    /// The connection broke, or the server ended the stream.
    Lost(String),
    /// The server asked the client to come back, elsewhere or later.
    Moved(Reconnect),
    /// The token does not do any more.
    Unauthenticated(hansard_proto::rpc::Status),
}

pub(crate) struct Driver {
    core: Arc<Core>,
    config: Config,
    addresses: Addresses,
    backoff: Backoff,
    rejected_tokens: u32,
    connected: Option<oneshot::Sender<()>>,
    last_error: Arc<std::sync::Mutex<String>>,
}

impl Driver {
    pub(crate) fn new(
        core: Arc<Core>,
        config: Config,
        connected: oneshot::Sender<()>,
        last_error: Arc<std::sync::Mutex<String>>,
    ) -> Self {
        let addresses = Addresses::new(&config.routers);
        Self {
            core,
            config,
            addresses,
            backoff: Backoff::default(),
            rejected_tokens: 0,
            connected: Some(connected),
            last_error,
        }
    }

    /// Runs until the client is closed or can't go on.
    pub(crate) async fn run(mut self) {
        if self.addresses.is_empty() {
            let why = "no router is known; give at least one, such as http://127.0.0.1:7000";
            self.core.end(ClientError::Invalid(why.into()));
        }
        while self.core.ended().is_none() {
            let address = self.addresses.next();
            let core = self.core.clone();
            let dialled = tokio::select! {
                dialled = dial(&core, &self.config, &address) => dialled,
                () = core.closed() => break,
            };
            let wait = match dialled {
                Ok(session) => self.serve(session).await,
                Err(error) => self.not_connected(error),
            };
            self.core.offline();
            match wait {
                ControlFlow::Break(()) => break,
                ControlFlow::Continue(wait) => tokio::select! {
                    () = sleep(wait) => {}
                    () = core.closed() => break,
                },
            }
        }
        self.core.end(ClientError::Closed);
    }

    fn not_connected(&mut self, error: DialError) -> ControlFlow<(), Duration> {
        match error {
            DialError::Lost(why) => {
                tracing::debug!(%why, "no session");
                self.remember(why);
                ControlFlow::Continue(self.backoff.next())
            }
            DialError::Unauthenticated(status) => self.unauthenticated(&status),
            DialError::Fatal(error) => {
                self.core.end(error);
                ControlFlow::Break(())
            }
        }
    }

    fn unauthenticated(&mut self, status: &hansard_proto::rpc::Status) -> ControlFlow<(), Duration> {
        self.rejected_tokens += 1;
        let hopeless = matches!(self.config.token, Token::Fixed(_)) || self.rejected_tokens >= TOKEN_ATTEMPTS;
        if hopeless {
            self.core.end(ClientError::from_status(status, None));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(self.backoff.next())
    }

    /// Serves a session to its end, and says how long to wait before the next.
    async fn serve(&mut self, session: Session) -> ControlFlow<(), Duration> {
        self.addresses.learn(&session.welcome.alternates);
        self.core.welcome(&session.welcome);
        if let Some(connected) = self.connected.take() {
            let _ = connected.send(());
        }
        let begun = Instant::now();
        let end = read(&self.core, session).await;
        if begun.elapsed() > LASTING {
            self.backoff.reset();
            self.rejected_tokens = 0;
        }
        match end {
            End::Closed => ControlFlow::Break(()),
            End::Lost(why) => {
                tracing::debug!(%why, "session lost");
                self.remember(why);
                ControlFlow::Continue(self.backoff.next())
            }
            End::Unauthenticated(status) => self.unauthenticated(&status),
            End::Moved(reconnect) => self.moved(&reconnect),
        }
    }

    fn moved(&mut self, reconnect: &Reconnect) -> ControlFlow<(), Duration> {
        if let Some(status) = &reconnect.status
            && status::code_of(status) == Code::Unauthenticated
        {
            return self.unauthenticated(status);
        }
        if !reconnect.address.is_empty() {
            self.addresses.hint(&reconnect.address);
        }
        let asked = reconnect.after.and_then(|after| Duration::try_from(after).ok());
        ControlFlow::Continue(asked.unwrap_or_else(|| self.backoff.next()).min(MAX_HINTED_WAIT))
    }

    fn remember(&self, why: String) {
        *self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = why;
    }
}

/// Reads a session to its end; pings, and sends again what is due.
async fn read(core: &Core, mut session: Session) -> End {
    let mut pulse = Pulse::new(&session);
    let timer = sleep_until(pulse.ping_at);
    tokio::pin!(timer);
    loop {
        let (retry, watched) = core.timers();
        let wake_at = pulse.wake_at(watched);
        let wake_at = retry.map_or(wake_at, |retry| retry.min(wake_at));
        // One that fires too early costs less than one that is set anew with every frame.
        if wake_at < timer.deadline() || timer.is_elapsed() {
            timer.as_mut().reset(wake_at);
        }
        tokio::select! {
            biased;
            () = core.attention.notified() => if core.ended().is_some() {
                return End::Closed;
            },
            message = session.frames.message() => {
                pulse.heard = Instant::now();
                if let ControlFlow::Break(end) = take_batch(core, &mut session, message) {
                    return end;
                }
            }
            () = &mut timer => {
                let now = Instant::now();
                core.retry_due(now);
                match pulse.beat(now, || core.still_watched()) {
                    Beat::Quiet => {}
                    Beat::Ping => core.send_soft(connect_request::Frame::Ping(Ping { nonce: dice::random() })),
                    Beat::Dead => return End::Lost(format!("silence for {:?}", now - pulse.heard)),
                }
            }
        }
    }
}

type Frame = Result<Option<Bytes>, tonic::Status>;

/// Takes a message, and those that are there already.
fn take_batch(core: &Core, session: &mut Session, first: Frame) -> ControlFlow<End> {
    let mut message = first;
    for _ in 0..READ_BATCH {
        take(core, message)?;
        match session.frames.message().now_or_never() {
            Some(next) => message = next,
            None => return ControlFlow::Continue(()),
        }
    }
    take(core, message)
}

fn take(core: &Core, message: Frame) -> ControlFlow<End> {
    let frame = match message {
        Ok(Some(frame)) => frame,
        Ok(None) => return ControlFlow::Break(End::Lost("the router ended the session".into())),
        Err(status) if status.code() == Code::Unauthenticated => {
            return ControlFlow::Break(End::Unauthenticated(status::from_tonic(&status)));
        }
        Err(status) => {
            return ControlFlow::Break(End::Lost(format!("{}: {}", status.code(), status.message())));
        }
    };
    if let Some(ack) = hot::read_ack(&frame) {
        core.acked(&ack);
        return ControlFlow::Continue(());
    }
    let frame = match ConnectResponse::decode(frame) {
        Ok(ConnectResponse { frame: Some(frame) }) => frame,
        // A frame that a later version has and we do not know is passed over.
        Ok(ConnectResponse { frame: None }) => return ControlFlow::Continue(()),
        Err(error) => return ControlFlow::Break(End::Lost(format!("protocol error: {error}"))),
    };
    match core.receive(frame) {
        None => ControlFlow::Continue(()),
        Some(Control::Reconnect(reconnect)) => ControlFlow::Break(End::Moved(reconnect)),
        Some(Control::Broken(what)) => ControlFlow::Break(End::Lost(format!("protocol error: {what}"))),
    }
}
