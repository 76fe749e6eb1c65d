//! What a hostile program tries, and what it gets. Each attack is followed by an innocent program, which has to answer.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod bombs;
mod clocks;
mod descriptors;
mod forks;
#[path = "../node/harness.rs"]
#[allow(dead_code, reason = "the other suite uses more of it")]
mod harness;
mod http2;
mod internals;
mod loader;
mod loops;
mod memories;
mod natives;
mod nesting;
mod paths;
mod processes;
mod sessions;
mod sizes;

use harness::{Ended, Place};
use warren_kernel::process::ExitStatus;

/// How an attack ends in a session of its own.
fn attack(script: &str) -> Ended {
    attack_in(&Place::new(), script)
}

/// The same in this session.
fn attack_in(place: &Place, script: &str) -> Ended {
    let ended = place.node(&["-e", script]);
    answers(place);
    ended
}

/// An innocent program of this session, and one of another.
fn answers(place: &Place) {
    for place in [place, &Place::new()] {
        let innocent = place.node(&["-p", "[6, 7].map((n) => n * 7).join()"]);
        assert_eq!((innocent.status, innocent.out.as_str()), (ExitStatus::Exited(0), "42,49\n"), "{innocent:?}");
    }
}

/// What an attack prints that ends well and says nothing else.
fn gets(script: &str) -> String {
    gets_in(&Place::new(), script)
}

fn gets_in(place: &Place, script: &str) -> String {
    let ended = attack_in(place, script);
    assert_eq!((ended.status, ended.err.as_str()), (ExitStatus::Exited(0), ""), "{script}: {}", ended.out);
    ended.out
}
