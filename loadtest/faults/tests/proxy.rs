//! What a proxy does to bytes, and what it leaves as it is.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warren_faults::{Direction, Proxy, Weather};

const SOON: Duration = Duration::from_secs(20);

/// Sends back what it is sent, and ends when its client has.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    address
}

async fn there_and_back(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut back = vec![0; text.len()];
    tokio::time::timeout(SOON, stream.read_exact(&mut back)).await.expect("it comes back").unwrap();
    String::from_utf8(back).unwrap()
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it ends")
}

async fn settled(is: impl Fn() -> bool) {
    soon(async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn in_fair_weather_everything_comes_through_and_ends() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let writing = tokio::spawn({
        let sent = sent.clone();
        async move {
            to.write_all(&sent).await.unwrap();
            to.shutdown().await.unwrap();
        }
    });
    let mut back = Vec::new();
    soon(from.read_to_end(&mut back)).await.unwrap();
    writing.await.unwrap();
    assert!(back == sent);
    assert_eq!(proxy.moved(Direction::ToServer), 3_000_000);
    settled(|| proxy.links().is_empty()).await;
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn bytes_come_later_but_side_by_side() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.set(Direction::ToServer, Weather::late(Duration::from_millis(300)));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let begun = Instant::now();
    for _ in 0..10 {
        stream.write_all(b"0123456789").await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut back = [0; 100];
    soon(stream.read_exact(&mut back)).await.unwrap();
    let late = begun.elapsed();
    assert!(late >= Duration::from_millis(300), "{late:?}");
    assert!(late < SOON, "ten parts do not wait for each other: {late:?}");
    proxy.set_both(Weather::FAIR);
    assert_eq!(there_and_back(&mut stream, "fair").await, "fair");
}

#[tokio::test]
async fn a_rate_is_kept() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.set(Direction::ToClient, Weather::slow(100_000));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let begun = Instant::now();
    let text = "x".repeat(30_000);
    assert_eq!(there_and_back(&mut stream, &text).await, text);
    assert!(begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_cut_holds_bytes_one_way_until_it_is_mended() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(there_and_back(&mut stream, "before").await, "before");
    proxy.set(Direction::ToClient, Weather::STALLED);
    stream.write_all(b"during").await.unwrap();
    settled(|| proxy.moved(Direction::ToServer) == 12).await;
    let nothing = tokio::time::timeout(Duration::from_millis(100), stream.read_u8()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(proxy.moved(Direction::ToClient), 6);
    proxy.set(Direction::ToClient, Weather::FAIR);
    let mut back = [0; 6];
    soon(stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"during");
    // A connection that is made during a partition is in it.
    proxy.set_both(Weather::STALLED);
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    other.write_all(b"hello").await.unwrap();
    settled(|| proxy.links().len() == 2).await;
    assert_eq!(proxy.moved(Direction::ToServer), 12);
    proxy.set_both(Weather::FAIR);
    let mut back = [0; 5];
    soon(other.read_exact(&mut back)).await.unwrap();
}

#[tokio::test]
async fn one_connection_has_a_weather_of_its_own() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut one = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(there_and_back(&mut one, "one").await, "one");
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(there_and_back(&mut other, "other").await, "other");
    let links = proxy.links();
    assert_eq!(links[0].from(), one.local_addr().unwrap());
    links[0].set_both(Weather::STALLED);
    one.write_all(b"held").await.unwrap();
    assert_eq!(there_and_back(&mut other, "goes on").await, "goes on");
    links[0].set_both(Weather::FAIR);
    let mut back = [0; 4];
    soon(one.read_exact(&mut back)).await.unwrap();
    links[0].reset();
    let reset = soon(one.read_u8()).await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert_eq!(there_and_back(&mut other, "still").await, "still");
}

#[tokio::test]
async fn connections_are_reset_refused_and_led_elsewhere() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(there_and_back(&mut stream, "x").await, "x");
    // A reset ends a connection in a partition, too.
    proxy.set_both(Weather::STALLED);
    proxy.reset_all();
    assert_eq!(soon(stream.read_u8()).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    proxy.set_both(Weather::FAIR);
    proxy.refuse(true);
    let refused = match TcpStream::connect(proxy.address()).await {
        Ok(mut stream) => soon(stream.read_u8()).await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    proxy.refuse(false);
    // A server that is not there.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    proxy.redirect(nobody);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(soon(stream.read_u8()).await.is_err());
    proxy.redirect(echo().await);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(there_and_back(&mut stream, "found").await, "found");
    drop(proxy);
    assert!(soon(stream.read_u8()).await.is_err(), "what a proxy carried ends with it");
}
