//! What is between a client and a Redis: counts connections, and holds answers back.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    connections: AtomicU64,
    sent: AtomicU64,
    /// Answers on connections up to this number are thrown away.
    held: AtomicU64,
    cut: AtomicBool,
}

impl Proxy {
    pub(crate) async fn before(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, SocketAddr::from(([127, 0, 0, 1], port)), shared.clone()));
        Proxy { port: own, shared, accepting }
    }

    /// Connections there were.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Bytes that clients sent.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Throws away what is answered on the connections there are.
    pub(crate) fn hold(&self) {
        self.shared.held.store(self.connections(), Ordering::SeqCst);
    }

    /// The next answer ends its connection instead.
    pub(crate) fn cut_once(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let Ok(server) = TcpStream::connect(to).await else { continue };
        tokio::spawn(forward(client, server, number, shared.clone()));
    }
}

async fn forward(mut client: TcpStream, mut server: TcpStream, number: u64, shared: Arc<Shared>) {
    let (mut asked, mut answered) = (vec![0; 65536], vec![0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(1..) = read else { return };
                let bytes = &asked[..read.unwrap()];
                if server.write_all(bytes).await.is_err() {
                    return;
                }
                shared.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            }
            read = server.read(&mut answered) => {
                let Ok(1..) = read else { return };
                if shared.cut.swap(false, Ordering::SeqCst) {
                    return;
                }
                if number > shared.held.load(Ordering::SeqCst) && client.write_all(&answered[..read.unwrap()]).await.is_err() {
                    return;
                }
            }
        }
    }
}
