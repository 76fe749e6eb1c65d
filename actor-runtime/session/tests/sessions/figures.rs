//! Figures, for people: `cargo test -p warren-session --test sessions figures -- --ignored --nocapture --test-threads=1`.

use crate::world::{World, options, request, within};
use std::sync::Arc;
use std::time::{Duration, Instant};
use warren_session::Options;
use warren_session::durability::volatile::Volatile;
use warren_session::event::State;
use warren_session::spec::{SessionSpec, Tier};

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    eprintln!("{what}: p50 {:.0} us, p99 {:.0} us, {} runs", at(0.5), at(0.99), times.len());
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
#[ignore = "prints figures"]
fn figures_of_one_session() {
    within(async {
        let world = World::new().await;
        for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal] {
            let session = world.session(tier).await;
            let mut times = Vec::new();
            for _ in 0..2000 {
                let begin = Instant::now();
                session.run(request(&["true"]), 0).await.unwrap();
                times.push(begin.elapsed());
            }
            assert_eq!(times.len(), 2000);
            show(&format!("exec true, {tier:?}"), times.split_off(200));
        }
        let (mut made, mut forked, mut woken) = (Vec::new(), Vec::new(), Vec::new());
        let parent = world.session(Tier::Checkpoint).await;
        for _ in 0..300 {
            let begin = Instant::now();
            let spec = SessionSpec { durability: Tier::Scratch, ..SessionSpec::default() };
            let session = world.session_of(spec).await;
            session.run(request(&["hi"]), 10).await.unwrap();
            made.push(begin.elapsed());
            world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
            let begin = Instant::now();
            session.run(request(&["true"]), 0).await.unwrap();
            woken.push(begin.elapsed());
            world.sessions.delete(&world.tenant, session.id()).await.unwrap();
            let begin = Instant::now();
            let fork = world.sessions.fork(&world.tenant, parent.id(), None).await.unwrap();
            forked.push(begin.elapsed());
            world.sessions.delete(&world.tenant, fork.id).await.unwrap();
        }
        show("new session to its first output", made);
        show("wake and exec true", woken);
        show("fork", forked);
    });
}

#[test]
#[ignore = "prints figures"]
fn figures_of_many_sessions() {
    const MANY: u64 = 10_000;
    within(async {
        let roomy = Options { awake_max: 100_000, ..options() };
        let world = World::with(Arc::new(Volatile::new()), roomy).await;
        world.session(Tier::Checkpoint).await;
        let before = resident_bytes();
        let begin = Instant::now();
        let mut ids = Vec::new();
        for _ in 0..MANY {
            let made = world.sessions.create(&world.tenant, None, SessionSpec::default()).await.unwrap();
            ids.push(made.id);
        }
        let (took, idle) = (begin.elapsed(), resident_bytes() - before);
        eprintln!(
            "{MANY} idle sessions: {} bytes each, {:.0} us each to make",
            idle / MANY,
            took.as_secs_f64() * 1e6 / MANY as f64
        );
        for id in &ids {
            world.handle(*id).await.run(request(&["hi"]), 10).await.unwrap();
        }
        eprintln!("each has run something: {} bytes each", (resident_bytes() - before) / MANY);
        for id in &ids {
            world.sessions.hibernate(&world.tenant, *id).await.unwrap();
        }
        assert_eq!(world.sessions.get(&world.tenant, ids[0]).await.unwrap().state, State::Hibernated);
        eprintln!("at rest, what is kept in memory included: {} bytes each", (resident_bytes() - before) / MANY);
    });
}
