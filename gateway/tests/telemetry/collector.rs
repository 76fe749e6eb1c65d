//! A collector of spans: OTLP over HTTP, as its specification says it, kept in memory.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A span that came in, its ids in hex.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub attributes: BTreeMap<String, String>,
}

pub(crate) struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Kept>>>,
    over: Arc<AtomicBool>,
}

impl Collector {
    pub(crate) fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (spans, over) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (kept, ended) = (Arc::clone(&spans), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || while serve(stream.as_ref().unwrap(), &kept).is_some() {});
            }
        });
        Collector { url, spans, over }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn spans(&self) -> Vec<Kept> {
        self.spans.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.url.strip_prefix("http://").unwrap());
    }
}

/// One request of a connection.
fn serve(mut stream: &TcpStream, kept: &Mutex<Vec<Kept>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    let (mut length, mut kind) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "content-type" => value.trim().clone_into(&mut kind),
            _ => {}
        }
    }
    assert_eq!(kind, "application/x-protobuf");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for resource in request.resource_spans {
        let service = resource.resource.unwrap().attributes.into_iter().find(|it| it.key == "service.name");
        assert_eq!(text(service.unwrap().value.unwrap().value), "warren");
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let attributes = span.attributes.into_iter();
            let attributes = attributes.map(|it| (it.key, text(it.value.and_then(|value| value.value)))).collect();
            let (trace, id, parent) = (hex(&span.trace_id), hex(&span.span_id), hex(&span.parent_span_id));
            kept.lock().unwrap().push(Kept { trace, id, parent, name: span.name, attributes });
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").ok()
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    }
}
