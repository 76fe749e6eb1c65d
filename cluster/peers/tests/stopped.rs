//! A peer whose process is stopped: its kernel still takes what is sent, and nobody answers.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod common;

use common::{deadline, direct, first, limits, ok, soon, text, until};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use warren_ownership::name::NodeId;
use warren_peers::client::CallError;
use warren_peers::trust::{Folder, Tokens, join};
use warren_peers::{Limits, Target, body};

const FOLDER: &str = "WARREN_PEERS_TEST_FOLDER";

/// A process that is killed when a test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// All of its threads: a signal takes a moment.
    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap().flatten();
        threads.into_iter().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T')
        })
    }
}

#[tokio::test]
#[ignore = "it is the process that the other test stops"]
async fn a_node_of_its_own() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let own = tempfile::tempdir().unwrap();
    std::fs::rename(folder, own.path().join("cluster")).unwrap();
    let node = common::start(own, limits()).await;
    node.double().answers(|_, _, _, _| async { ok("alive") });
    println!("listening {} .", node.address);
    // Until the other test has ended.
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_process_that_is_stopped_is_noticed_and_used_again_when_it_goes_on() {
    let node = first(Limits { connect: Duration::from_secs(1), ..limits() }).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster");
    let tokens = Tokens::of(&node.trust());
    let token = tokens.make(&node.credentials, NodeId(2), SystemTime::now(), Duration::from_secs(60)).unwrap();
    join::join(&Folder::new(&path), &node.address.to_string(), &token).await.unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "a_node_of_its_own"])
        .env(FOLDER, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let output = child.0.stdout.take().unwrap();
    let listening = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(output).lines().map(|line| line.unwrap());
        lines.find_map(|line| Some(line.split_once("listening ")?.1.split(' ').next()?.to_owned()))
    });
    let address = soon("it listens", listening).await.unwrap().expect("it says where it listens");
    let to = Target::new(NodeId(2), &address);
    let call = async || node.peers.call(&to, direct("/", body::empty()), deadline()).await;
    assert_eq!(text(call().await.unwrap()).await, "alive");

    child.signal(Signal::STOP);
    until("it is stopped", || child.is_stopped()).await;
    let error = soon("it is noticed", call()).await.unwrap_err();
    assert!(matches!(&error, CallError::Interrupted { .. }), "{error}");
    assert!(!node.peers.is_connected(NodeId(2)));
    let error = soon("it is not waited for", call()).await.unwrap_err();
    assert!(error.is_nothing_done(), "{error}");

    child.signal(Signal::CONT);
    soon("it is used again", async {
        while call().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
