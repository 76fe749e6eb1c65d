//! Something between a client and a server that stops passing bytes on in the middle.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Which bytes are counted.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// What happens once so many were passed on.
#[derive(Clone, Copy, PartialEq)]
pub enum Then {
    /// The connection is cut.
    Cut,
    /// Nothing more is passed on, and nobody is told.
    Stall,
}

pub struct Proxy {
    pub url: String,
    /// Hears when it stopped.
    pub stopped: Receiver<()>,
}

/// What is left to be passed on, and who hears that nothing is.
type Counted = (Arc<AtomicI64>, Arc<Mutex<Sender<()>>>);

/// A proxy to this address, which stops after `bytes` of all its connections in one direction.
pub fn between(address: &str, way: Way, bytes: i64, then: Then) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, stopped) = channel();
    let (left, sender, address) = (Arc::new(AtomicI64::new(bytes)), Arc::new(Mutex::new(sender)), address.to_owned());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&address).unwrap());
            for (direction, from, to) in [(Way::ToServer, &client, &server), (Way::ToClient, &server, &client)] {
                let ends = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let counted = (direction == way).then(|| (left.clone(), sender.clone()));
                std::thread::spawn(move || pass(ends.0, ends.1, counted, then));
            }
        }
    });
    Proxy { url, stopped }
}

fn pass(mut from: TcpStream, mut to: TcpStream, counted: Option<Counted>, then: Then) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some((left, sender)) = &counted
            && left.fetch_sub(count as i64, Ordering::SeqCst) < count as i64
        {
            let _ = sender.lock().unwrap().send(());
            if then == Then::Stall {
                loop {
                    std::thread::park();
                }
            }
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
