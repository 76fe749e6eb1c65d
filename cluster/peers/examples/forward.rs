//! What it costs to send a request on: latency, throughput and processor time, beside the same request asked directly.
//!
//! ```text
//! cargo run --release -p warren-peers --example forward -- [REQUESTS] [MIB]
//! client ─HTTP/1.1─▶ server                                       direct
//! client ─HTTP/1.1─▶ gateway ─HTTP/2, mutual TLS─▶ owner          forwarded
//! ```
//! All of it is one process with two threads, and the connections are of this machine.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints what it measured")]

#[path = "../tests/common/mod.rs"]
mod common;

use bytes::Bytes;
use common::{Places, client, gateway, limits, post, route};
use futures_util::stream;
use hdrhistogram::Histogram;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use warren_peers::api::Forwarded;
use warren_peers::{Body, body};

const PART: usize = 64 * 1024;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let requests = arguments.next().unwrap_or(20_000);
    let mib = arguments.next().unwrap_or(1024);
    let nodes = common::cluster(2, limits()).await;
    nodes[1].double().answers(|_, _, request, _| async move { Forwarded::Answer(answer(request).await) });
    let forwarded = gateway(&nodes[0], Places::of(vec![route(&nodes[1])])).await;
    let direct = server().await;
    println!("{requests} requests of 200 bytes, one after the other; bodies of {mib} MiB");
    println!(
        "{:>12} {:>10} {:>10} {:>12} {:>12} {:>14} {:>12}",
        "", "p50 us", "p99 us", "cpu us/req", "down MiB/s", "cpu ms/MiB", "up MiB/s"
    );
    for (name, to) in [("direct", direct), ("forwarded", forwarded)] {
        small(to, requests / 10).await;
        let (latency, cpu) = small(to, requests).await;
        let (down, down_cpu) = large(to, mib, true).await;
        let (up, _) = large(to, mib, false).await;
        println!(
            "{name:>12} {:>10} {:>10} {:>12.1} {:>12.0} {:>14.2} {:>12.0}",
            latency.value_at_quantile(0.5),
            latency.value_at_quantile(0.99),
            cpu.as_secs_f64() * 1e6 / requests as f64,
            mib as f64 / down.as_secs_f64(),
            down_cpu.as_secs_f64() * 1e3 / mib as f64,
            mib as f64 / up.as_secs_f64(),
        );
    }
}

/// What both servers answer: 200 bytes, or as many as the path says, after all of the request was read.
async fn answer<B>(request: http::Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let mib: usize = request.uri().path()[1..].parse().unwrap();
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
    let part = Bytes::from(vec![1; PART]);
    Response::new(match mib {
        0 => body::full(vec![1; 200]),
        mib => bytes_of(part, mib),
    })
}

fn bytes_of(part: Bytes, mib: usize) -> Body {
    let parts = std::iter::repeat_n(part, mib << 20 >> 16).map(|part| Ok(Frame::data(part)));
    StreamBody::new(stream::iter(parts)).boxed_unsync()
}

async fn server() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = service_fn(|request: http::Request<hyper::body::Incoming>| async {
                Ok::<_, Infallible>(answer(request).await)
            });
            tokio::spawn(async move {
                let builder = hyper::server::conn::http1::Builder::new();
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

async fn small(to: SocketAddr, requests: usize) -> (Histogram<u64>, Duration) {
    let mut latency = Histogram::new(3).unwrap();
    let mut send = client(to).await;
    let before = cpu();
    for _ in 0..requests {
        send.ready().await.unwrap();
        let begun = Instant::now();
        let response = send.send_request(post("/0", body::full(vec![1; 200]))).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        latency.record(u64::try_from(begun.elapsed().as_micros()).unwrap()).unwrap();
        assert_eq!(bytes.len(), 200);
    }
    (latency, cpu() - before)
}

async fn large(to: SocketAddr, mib: usize, down: bool) -> (Duration, Duration) {
    let mut send = client(to).await;
    let (path, body) = match down {
        true => (format!("/{mib}"), body::empty()),
        false => ("/0".to_owned(), bytes_of(Bytes::from(vec![1; PART]), mib)),
    };
    let (begun, before) = (Instant::now(), cpu());
    let response = send.send_request(post(&path, body)).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    let (mut body, mut bytes) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        bytes += frame.unwrap().into_data().unwrap().len();
    }
    assert_eq!(bytes, if down { mib << 20 } else { 200 });
    (begun.elapsed(), cpu() - before)
}

/// Processor time of this process.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}
