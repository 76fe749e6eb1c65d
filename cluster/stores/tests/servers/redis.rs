//! Real Redis servers.
use super::free_port;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use warren_stores::redis::{Redis, RedisOptions};

/// A server that ends with the test.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    folder: TempDir,
    arguments: Vec<String>,
}

impl Server {
    /// Starts one that keeps nothing. `None`, with a printed reason, where there is none to start; with `REDIS_TESTS` set
    /// that is an error.
    pub(crate) fn start(more: &[&str]) -> Option<Server> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("REDIS_TESTS").is_none(), "there is no redis-server to test with");
            println!("skipped: there is no redis-server (Debian: redis-server)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut arguments: Vec<String> =
            ["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"].map(String::from).into();
        arguments.extend(["--port".to_owned(), port.to_string()]);
        arguments.extend(more.iter().map(|one| (*one).to_owned()));
        let child = run(folder.path(), &arguments);
        let server = Server { child, port, folder, arguments };
        server.wait();
        Some(server)
    }

    /// A sentinel that watches one server by the name `main`.
    pub(crate) fn sentinel(of: &Server) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 5000\n",
            of.port
        );
        std::fs::write(&config, text).unwrap();
        let arguments = vec![config.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        let child = run(folder.path(), &arguments);
        let server = Server { child, port, folder, arguments };
        server.wait();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A client of a namespace of its own.
    pub(crate) fn client(&self) -> Redis {
        client(&self.url())
    }

    /// What `redis-cli` answers.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let done = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(arguments).output().unwrap();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A replica of this one, which has what it has.
    pub(crate) fn replica(&self) -> Server {
        let of = self.port.to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &of, "--repl-diskless-sync-delay", "0"]).unwrap();
        super::until("the replica is there", || self.ask(&["INFO", "replication"]).contains("state=online"));
        replica
    }

    /// It stands still, and its connections stay.
    pub(crate) fn freeze(&self) {
        let done = Command::new("kill").args(["-STOP", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// The same port and folder again.
    pub(crate) fn restart(&mut self) {
        self.child = run(self.folder.path(), &self.arguments);
        self.wait();
    }

    fn wait(&self) {
        for _ in 0..500 {
            // One with a password answers, too.
            if self.ask(&["PING"]).contains("PONG") || self.ask(&["PING"]).contains("NOAUTH") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("a Redis does not answer on port {}", self.port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn client(url: &str) -> Redis {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let namespace = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    Redis::new(RedisOptions { namespace, ..RedisOptions::new(url) }).unwrap()
}

fn run(folder: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(arguments).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
