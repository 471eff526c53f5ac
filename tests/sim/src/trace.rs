//! What happened, line by line, and a hash over all of it: every message of the network with its bytes, every log line of
//! the product, every fault, every call of a client.

use std::{
    cell::RefCell,
    fmt::{Debug, Write as _},
    fs::File,
    hash::{DefaultHasher, Hasher},
    io::{BufWriter, Write},
    time::Duration,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::leaders;

struct Trace {
    hasher: DefaultHasher,
    lines: u64,
    now: Duration,
    hosts: Vec<String>,
    current: usize,
    /// Prints what people want to read.
    echo: bool,
    /// Gets everything, to be compared with another run's.
    file: Option<BufWriter<File>>,
}

thread_local! {
    static TRACE: RefCell<Trace> = RefCell::new(Trace {
        hasher: DefaultHasher::new(), lines: 0, now: Duration::ZERO, hosts: vec!["-".to_owned()], current: 0, echo: false, file: None,
    });
}

/// Begins the trace of this thread. `echo` prints it, without the messages; `file` gets all of it.
pub(crate) fn begin(echo: bool, file: Option<File>) {
    TRACE.with_borrow_mut(|trace| {
        trace.echo = echo;
        trace.file = file.map(BufWriter::new);
    });
    // Fails only when it was done before.
    let _ = tracing::subscriber::set_global_default(Tracer);
}

/// Moves the time that lines carry.
pub(crate) fn set_now(now: Duration) {
    TRACE.with_borrow_mut(|trace| trace.now = now);
}

/// The host that runs now; `-` between hosts.
pub(crate) fn host() -> String {
    TRACE.with(|trace| trace.try_borrow().map_or_else(|_| "?".to_owned(), |trace| trace.hosts[trace.current].clone()))
}

/// Notes a line.
pub(crate) fn note(line: &str) {
    write(line, true);
}

/// The hash, and how many lines it covers.
pub(crate) fn end() -> (u64, u64) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(file) = &mut trace.file {
            file.flush().expect("the trace file can be written");
        }
        (trace.hasher.finish(), trace.lines)
    })
}

fn write(line: &str, readable: bool) {
    TRACE.with_borrow_mut(|trace| {
        let line = format!("{:>9.3} {:<8} {line}\n", trace.now.as_secs_f64(), trace.hosts[trace.current]);
        trace.hasher.write(line.as_bytes());
        trace.lines += 1;
        if trace.echo && readable {
            print!("{line}");
        }
        if let Some(file) = &mut trace.file {
            file.write_all(line.as_bytes()).expect("the trace file can be written");
        }
    });
}

/// Writes the product's log lines and the network's messages into the trace.
struct Tracer;

impl Subscriber for Tracer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.target().starts_with("turmoil") {
            true => metadata.is_event() || metadata.name() == "node",
            false => {
                metadata.is_event() && metadata.target().starts_with("hansard") && *metadata.level() <= Level::DEBUG
            }
        }
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut name = Text(String::new());
        attributes.record(&mut name);
        let at = TRACE.with_borrow_mut(|trace| {
            trace.hosts.iter().position(|host| *host == name.0).unwrap_or_else(|| {
                trace.hosts.push(name.0);
                trace.hosts.len() - 1
            })
        });
        span::Id::from_u64(at as u64 + 1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        leaders::see(event);
        let network = event.metadata().target().starts_with("turmoil");
        let mut text = Text(String::new());
        event.record(&mut text);
        match network {
            true if text.0.starts_with("step") => {}
            true => write(&text.0, false),
            false => {
                write(&format!("{} {}", event.metadata().level(), text.0), *event.metadata().level() <= Level::INFO)
            }
        }
    }

    fn enter(&self, id: &span::Id) {
        TRACE.with_borrow_mut(|trace| trace.current = id.into_u64() as usize - 1);
    }

    fn exit(&self, _: &span::Id) {
        TRACE.with_borrow_mut(|trace| trace.current = 0);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "name" => self.0.push_str(value),
            name => self.push(name, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.0.insert_str(0, &format!("{value:?}")),
            name => self.push(name, value),
        }
    }
}

impl Text {
    fn push(&mut self, name: &str, value: &dyn Debug) {
        write!(self.0, " {name}={value:?}").expect("strings take all that is written");
    }
}
