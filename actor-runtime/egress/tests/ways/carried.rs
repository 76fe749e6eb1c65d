//! What is allowed gets there, whole, and ends as it should.

use crate::world::{World, accept, at, listen, nobody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use warren_egress::Rules;
use warren_kernel::id::Pid;
use warren_kernel::socket::{Name, Shutdown};
use warren_kernel::{Call, Errno};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_a_rule_names_is_reached() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("local:server.test:{port}")]);
    world.names.set("server.test", &["127.0.0.1"]);
    let (guest, mut server) = tokio::join!(world.connect("Server.Test.", port), accept(&listener));
    let guest = guest.expect("it is allowed");
    let peer = world.session.with(|kernel| kernel.peer_name(&Call::new(Pid::INIT), guest));
    assert_eq!(peer, Ok(Name::Inet(at("127.0.0.1", port))));
    assert_eq!(world.send(guest, b"question").await, Ok(8));
    let mut bytes = [0; 8];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"question");
    server.write_all(b"an answer").await.unwrap();
    assert_eq!(world.receive(guest).await, Ok(b"an answer".to_vec()));
    assert_eq!(world.way.moved(), (8, 9));
    assert_eq!(world.way.connections(), 1);
    world.close(guest);
    assert_eq!(server.read(&mut bytes).await.unwrap(), 0, "it is told");
    world.clean().await;
    assert!(world.refusals().is_empty() && world.told.0.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_bytes_come_whole_both_ways() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("127.0.0.1:{port}"), "server.test"]);
    world.names.set("server.test", &["127.0.0.1"]);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let echo = async {
        let (mut read, mut write) = accept(&listener).await.into_split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    };
    let guest = async {
        let fd = world.connect("server.test", port).await.expect("a rule names the address");
        let send = async {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                rest = &rest[world.send(fd, rest).await.expect("it is taken")..];
            }
            world.shutdown(fd, Shutdown::Write);
        };
        let (received, ()) = tokio::join!(world.receive_all(fd), send);
        assert!(received.as_deref() == Ok(&bytes), "the bytes are the same");
        world.close(fd);
    };
    tokio::join!(echo, guest);
    world.clean().await;
    assert_eq!(world.way.moved(), (3_000_000, 3_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_may_end_first() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("local:server.test:{port}")]);
    world.names.set("server.test", &["127.0.0.1"]);
    let (guest, mut server) = tokio::join!(world.connect("server.test", port), accept(&listener));
    let guest = guest.expect("it is allowed");
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(world.receive_all(guest).await, Ok(b"bye".to_vec()));
    assert_eq!(world.send(guest, b"late").await, Ok(4));
    world.close(guest);
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"late");
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_outside_is_told_as_it_is() {
    let port = nobody().await;
    let world = World::new(&["127.0.0.0/8", "server.test", "gone.test"]);
    world.names.set("server.test", &["127.0.0.1"]);
    assert_eq!(world.connect("server.test", port).await, Err(Errno::ECONNREFUSED));
    assert_eq!(world.connect("gone.test", port).await, Err(Errno::ENOENT));
    let (listener, port) = listen("127.0.0.1").await;
    let (guest, server) = tokio::join!(world.connect("server.test", port), accept(&listener));
    let guest = guest.expect("it is allowed");
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(world.receive(guest).await, Err(Errno::ECONNRESET));
    world.close(guest);
    world.clean().await;
    assert!(world.refusals().is_empty(), "nothing was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_address_is_tried() {
    let (listener, port) = listen("127.0.0.3").await;
    let world = World::new(&["127.0.0.0/8", "server.test"]);
    world.names.set("server.test", &["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let (guest, _server) = tokio::join!(world.connect("server.test", port), accept(&listener));
    let guest = guest.expect("one answers");
    let peer = world.session.with(|kernel| kernel.peer_name(&Call::new(Pid::INIT), guest));
    assert_eq!(peer, Ok(Name::Inet(at("127.0.0.3", port))));
    world.close(guest);
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_may_change_and_hold_for_what_is_open() {
    let (listener, port) = listen("127.0.0.1").await;
    let (local, both) = (format!("local:a.test:{port}"), format!("local:b.test:{port}"));
    let world = World::new(&[&local, &both]);
    world.names.set("a.test", &["127.0.0.1"]);
    world.names.set("b.test", &["127.0.0.1"]);
    let (first, mut first_server) = tokio::join!(world.connect("a.test", port), accept(&listener));
    let (second, mut second_server) = tokio::join!(world.connect("b.test", port), accept(&listener));
    let (first, second) = (first.expect("allowed"), second.expect("allowed"));
    world.way.set_rules(Rules::parse(&[&both]).unwrap());
    assert_eq!(world.receive(first).await, Err(Errno::ECONNRESET));
    assert!(first_server.read(&mut [0; 1]).await.is_err(), "the server is told that it was no end");
    second_server.write_all(b"still").await.unwrap();
    assert_eq!(world.receive(second).await, Ok(b"still".to_vec()));
    assert_eq!(world.connect("a.test", port).await, Err(Errno::EACCES));
    world.way.set_rules(Rules::parse(&[&local, &both]).unwrap());
    let (again, _server) = tokio::join!(world.connect("a.test", port), accept(&listener));
    for fd in [first, second, again.expect("allowed again")] {
        world.close(fd);
    }
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_is_closed_leaves_nothing_open() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("local:server.test:{port}")]);
    world.names.set("server.test", &["127.0.0.1"]);
    let mut open = Vec::new();
    for _ in 0..5 {
        let (guest, server) = tokio::join!(world.connect("server.test", port), accept(&listener));
        open.push((guest.expect("allowed"), server));
    }
    world.way.close();
    for (guest, mut server) in open {
        assert!(server.read(&mut [0; 1]).await.is_err(), "broken off");
        assert_eq!(world.receive(guest).await, Err(Errno::ECONNRESET));
        world.close(guest);
    }
    assert_eq!(world.connect("server.test", port).await, Err(Errno::ENETUNREACH));
    world.clean().await;
}
