//! What guests, servers and name servers may try.

use crate::world::{World, accept, listen};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use warren_kernel::Errno;
use warren_kernel::limits::Limits;
use warren_kernel::socket::{BUFFER_BYTES, MessageFlags};

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_names_is_refused_at_once_and_told() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&["allowed.test:1"]);
    world.names.set("other.test", &["127.0.0.1"]);
    assert_eq!(world.connect("other.test", port).await, Err(Errno::EACCES));
    assert_eq!(world.connect("8.8.8.8", 53).await, Err(Errno::EACCES));
    assert_eq!(world.connect("allowed.test", 2).await, Err(Errno::ENOENT), "looked up, since some port is allowed");
    world.names.set("allowed.test", &["8.8.8.8"]);
    assert_eq!(world.connect("allowed.test", 2).await, Err(Errno::EACCES));
    let reason = "no rule of the session's egress allows it".to_owned();
    let subjects = [format!("other.test:{port}"), "8.8.8.8:53".to_owned(), "allowed.test:2".to_owned()];
    assert_eq!(world.refusals(), subjects.map(|subject| (subject, reason.clone())));
    let told = world.told.0.lock().unwrap().clone();
    assert_eq!(told, ["acme s1 other.test 0", "acme s1 8.8.8.8:53 0", "acme s1 allowed.test:2 0"]);
    assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "nobody came");
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_pointed_inwards_reaches_nothing_inside() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&["*.test", "public"]);
    world.names.set("rebinds.test", &["8.8.8.8"]);
    assert_eq!(world.look_up("rebinds.test").await, Ok(vec!["8.8.8.8".parse().unwrap()]));
    for inside in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::1",
        "fd00:ec2::254",
        "0.0.0.0",
    ] {
        world.names.set("rebinds.test", &[inside]);
        assert_eq!(world.connect("rebinds.test", port).await, Err(Errno::EACCES), "{inside}");
        assert_eq!(world.look_up("rebinds.test").await, Err(Errno::EACCES), "{inside}");
        let (_, reason) = world.refusals().pop().expect("it was told");
        assert!(reason.contains("which no rule of the session's egress names"), "{reason}");
        assert!(!reason.contains(inside), "what a name stands for inside is not told: {reason}");
    }
    // Of several answers only those outside are told.
    world.names.set("rebinds.test", &["10.0.0.1", "8.8.8.8", "169.254.169.254"]);
    assert_eq!(world.look_up("rebinds.test").await, Ok(vec!["8.8.8.8".parse().unwrap()]));
    assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "nobody came");
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_a_connection_of_its_own() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("local:server.test:{port}"), "public"]);
    world.names.set("server.test", &["127.0.0.1"]);
    let serve = async {
        let mut server = accept(&listener).await;
        let answer = b"HTTP/1.0 302 Found\r\nLocation: http://169.254.169.254/latest/\r\n\r\n";
        server.write_all(answer).await.unwrap();
    };
    let guest = async {
        let fd = world.connect("server.test", port).await.expect("allowed");
        let answer = String::from_utf8(world.receive_all(fd).await.unwrap()).unwrap();
        let (_, to) = answer.split_once("http://").expect("a redirect");
        let host = to.split('/').next().expect("a host").to_owned();
        assert_eq!(world.connect(&host, 80).await, Err(Errno::EACCES));
        world.close(fd);
    };
    tokio::join!(serve, guest);
    let [(subject, reason)] = &world.refusals()[..] else { panic!("one was refused") };
    assert_eq!(subject, "169.254.169.254:80");
    assert_eq!(reason, "it stands for a metadata address, which no rule of the session's egress names");
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_ends_at_the_limits() {
    // Never accepted: the system does that by itself.
    let (_listener, port) = listen("127.0.0.1").await;
    let rule = format!("local:server.test:{port}");
    // The session's own.
    let world = World::with(&[&rule], Limits { outbound: 8, ..Limits::default() }, 1024);
    world.names.set("server.test", &["127.0.0.1"]);
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(world.connect("server.test", port).await.expect("there is room"));
    }
    for _ in 0..100 {
        assert_eq!(world.connect("server.test", port).await, Err(Errno::ENOBUFS));
    }
    open.drain(..).for_each(|fd| world.close(fd));
    world.clean().await;
    open.push(world.connect("server.test", port).await.expect("there is room again"));
    // The node's, of which a tenant has a half.
    let world = World::with(&[&rule], Limits::default(), 6);
    world.names.set("server.test", &["127.0.0.1"]);
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(world.connect("server.test", port).await.expect("there is room"));
    }
    assert_eq!(world.connect("server.test", port).await, Err(Errno::ENOBUFS));
    open.drain(..).for_each(|fd| world.close(fd));
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_reads_makes_the_guest_wait() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("local:server.test:{port}")]);
    world.names.set("server.test", &["127.0.0.1"]);
    let (guest, server) = tokio::join!(world.connect("server.test", port), accept(&listener));
    let guest = guest.expect("allowed");
    let block = vec![0; 64 * 1024];
    // Until nothing moves any more: every buffer on the way is full.
    let mut quiet = 0;
    while quiet < 50 {
        match world.send_with(guest, &block, MessageFlags::NOSIGNAL | MessageFlags::DONTWAIT).await {
            Ok(_) => quiet = 0,
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                quiet += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        assert!(world.session.with(|kernel| kernel.usage().socket_bytes) <= BUFFER_BYTES as u64);
    }
    drop(server);
    // What waited is lost, and the guest learns it.
    let errno = world.receive(guest).await.expect_err("broken off");
    assert!(matches!(errno, Errno::ECONNRESET | Errno::EPIPE), "{errno}");
    world.close(guest);
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_floods_waits_for_the_guest() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("local:server.test:{port}")]);
    world.names.set("server.test", &["127.0.0.1"]);
    let (guest, mut server) = tokio::join!(world.connect("server.test", port), accept(&listener));
    let guest = guest.expect("allowed");
    let flood = tokio::spawn(async move {
        let block = vec![1; 64 * 1024];
        let mut sent = 0_u64;
        while let Ok(count) = server.write(&block).await {
            sent += count as u64;
        }
        sent
    });
    // Nobody reads: what the session holds is its buffer and no more.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let held = world.session.with(|kernel| kernel.usage().socket_bytes);
        assert!(held <= BUFFER_BYTES as u64, "{held}");
        let (_, received) = world.way.moved();
        if received > 0 && received == before {
            break;
        }
        before = received;
    }
    assert!(!flood.is_finished(), "it waits");
    world.close(guest);
    let sent = flood.await.expect("it ends with the connection");
    assert!(sent >= before);
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_without_end_are_told_within_bounds() {
    let world = World::new(&[]);
    for port in 1..=200 {
        assert_eq!(world.connect("8.8.8.8", port).await, Err(Errno::EACCES));
    }
    assert_eq!(world.told.0.lock().unwrap().len(), 16);
    assert_eq!(world.refusals().len(), 32);
    world.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_closes_while_connecting_leaves_nothing() {
    let (listener, port) = listen("127.0.0.1").await;
    let world = World::new(&[&format!("local:server.test:{port}")]);
    world.names.set("server.test", &["127.0.0.1"]);
    for _ in 0..50 {
        // Dropped at some point of its way.
        let connecting = world.connect("server.test", port);
        if let Ok(Ok(fd)) = tokio::time::timeout(Duration::from_micros(100), connecting).await {
            world.close(fd);
        }
    }
    // Sockets of calls that were dropped are still the process's.
    world.session.with(|kernel| {
        for fd in 0..200 {
            let _ = kernel.close(&warren_kernel::Call::new(warren_kernel::id::Pid::INIT), warren_kernel::id::Fd(fd));
        }
    });
    world.clean().await;
    let mut server = accept(&listener).await;
    let _ = server.read(&mut [0; 1]).await;
}
