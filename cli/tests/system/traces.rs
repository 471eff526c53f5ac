//! Traces: one message's spans, from the router over the leader to apply, as a collector gets them.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex},
};

use hansard_proto::v1::{CreateRoomRequest, Visibility, room_service_client::RoomServiceClient};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    resource::v1::Resource,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::harness::{Cluster, Over, Person, eventually, request_id};

/// A span as it was exported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    /// `hansard-router` or `hansard-node`.
    service: String,
    /// The process's name, such as `node2`.
    instance: String,
    name: String,
    id: Vec<u8>,
    parent: Vec<u8>,
}

/// Collects spans, by trace.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<BTreeMap<Vec<u8>, Vec<Span>>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut traces = self.0.lock().unwrap();
        for group in request.into_inner().resource_spans {
            let resource = group.resource.unwrap_or_default();
            for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                traces.entry(span.trace_id).or_default().push(Span {
                    service: attribute(&resource, "service.name"),
                    instance: attribute(&resource, "service.instance.id"),
                    name: span.name,
                    id: span.span_id,
                    parent: span.parent_span_id,
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attribute(resource: &Resource, key: &str) -> String {
    let found = resource.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{key} is {other:?}"),
    }
}

impl Collector {
    /// Starts one, and a cluster that sends it what `sampler` samples.
    async fn with_cluster(nodes: &str, sampler: &str) -> (Collector, Cluster) {
        let collector = Collector::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut hansard = Command::new(env!("CARGO_BIN_EXE_hansard"));
        hansard
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", listener.local_addr().unwrap()))
            .env("OTEL_TRACES_SAMPLER", sampler)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100");
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, Cluster::start_by(hansard, &["--nodes", nodes, "--routers", "1"]))
    }

    fn traces(&self) -> BTreeMap<Vec<u8>, Vec<Span>> {
        self.0.lock().unwrap().clone()
    }
}

/// A node's spans of this name right below `parent`, and at the same node if that is one's.
fn below<'a>(trace: &'a [Span], parent: &'a Span, name: &'a str) -> impl Iterator<Item = &'a Span> {
    trace.iter().filter(move |span| {
        let here = parent.service == "hansard-router" || span.instance == parent.instance;
        span.service == "hansard-node" && span.name == name && span.parent == parent.id && here
    })
}

/// Whether a trace leads from a span of the router's by a call and a commit at one node to its apply there.
fn is_whole(trace: &[Span], root: &str) -> bool {
    let roots = trace.iter().filter(|span| span.service == "hansard-router" && span.name == root);
    let calls = roots.flat_map(|root| below(trace, root, "call"));
    let commits = calls.flat_map(|call| below(trace, call, "commit"));
    commits.flat_map(|commit| below(trace, commit, "apply")).next().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messages_trace_leads_from_the_router_over_the_leader_to_apply() {
    let (collector, cluster) = Collector::with_cluster("3", "always_on").await;
    for over in [Over::Grpc, Over::WebSocketJson] {
        let mut alice = Person::connect(&cluster, over, 0, "alice").await;
        let room = alice.create_room("traced", Visibility::Private).await.id;
        let sent = || collector.traces().values().filter(|trace| is_whole(trace, "propose")).count();
        let before = sent();
        // Beside each other, so that several share an entry: each has a trace of its own all the same.
        const MESSAGES: usize = 20;
        for n in 0..MESSAGES {
            use hansard_proto::v1::{Send, connect_request::Frame};
            let send = Send { request_id: request_id(), room: room.clone(), text: n.to_string() };
            alice.conn.send(Frame::Send(send)).await;
        }
        eventually("every message has a whole trace", || sent() >= before + MESSAGES).await;
        assert_eq!(sent(), before + MESSAGES, "and no more than one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_caller_samples_is_traced_under_the_callers_trace_and_nothing_else() {
    let (collector, cluster) = Collector::with_cluster("1", "parentbased_always_off").await;
    let mut alice = Person::connect(&cluster, Over::Grpc, 0, "alice").await;
    let room = alice.create_room("not traced", Visibility::Private).await.id;
    alice.say(&room, "not traced").await;
    let channel = tonic::transport::Endpoint::from_shared(cluster.ready.routers[0].grpc.clone()).unwrap();
    let mut rooms = RoomServiceClient::new(channel.connect().await.unwrap());
    let create = |traceparent: &str| {
        let create = CreateRoomRequest { request_id: request_id(), name: "traced".to_owned(), ..Default::default() };
        let mut request = Request::new(create);
        let bearer = format!("Bearer {}", cluster.token("alice"));
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
        request
    };
    let trace = |digit: u8| [digit; 16].to_vec();
    rooms.create_room(create("00-11111111111111111111111111111111-2222222222222222-00")).await.unwrap();
    rooms.create_room(create("00-33333333333333333333333333333333-4444444444444444-01")).await.unwrap();
    let whole = || collector.traces().get(&trace(0x33)).is_some_and(|trace| is_whole(trace, "grpc"));
    eventually("the sampled call has a whole trace", whole).await;
    let traces: Vec<Vec<u8>> = collector.traces().into_keys().collect();
    assert_eq!(traces, [trace(0x33)], "what nobody samples is not exported");
}
