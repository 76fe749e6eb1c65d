//! The turns of a life: rest, wake, checkpoint, rollback, fork, end.

use crate::world::{World, events, get, names, options, put, request, within};
use std::sync::Arc;
use std::time::Duration;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;
use warren_session::durability::DurabilityError;
use warren_session::durability::volatile::Volatile;
use warren_session::event::{End, State, What};
use warren_session::spec::{SessionSpec, Tier};
use warren_session::{Options, SessionError};

#[test]
fn a_session_rests_and_wakes_on_use_with_its_files() {
    within(async {
        let world = World::new().await;
        for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Strict] {
            let session = world.session(tier).await;
            put(&session, "/home/agent/a", b"one").await;
            let ino = session.stat("/home/agent/a").await.unwrap().ino;
            let rests = world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
            assert_eq!(rests.state, State::Hibernated);
            // Once more is no error.
            world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
            assert_eq!(&get(&session, "/home/agent/a").await[..], b"one");
            assert_eq!(session.stat("/home/agent/a").await.unwrap().ino, ino);
            let awake = world.sessions.get(&world.tenant, session.id()).await.unwrap();
            assert_eq!((awake.state, awake.epoch.get()), (State::Active, 2));
            let log = events(world.log(session.id()).await);
            for (event, seq) in log.iter().zip(1..) {
                assert_eq!(event.position.seq, seq, "{tier:?} {log:#?}");
            }
            let began = log.iter().position(|event| event.position.epoch.get() == 2).unwrap();
            assert_eq!(log[began].what, What::EpochBegan { previous: log[began - 1].position });
        }
    });
}

#[test]
fn a_hundred_requests_at_once_wake_it_once() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let all = (0..100).map(|_| session.run(request(&["true"]), 0));
        for finished in futures_util::future::join_all(all).await {
            assert_eq!(finished.unwrap().info.ended.unwrap().0, End::Status(ExitStatus::Exited(0)));
        }
        assert_eq!(world.sessions.get(&world.tenant, session.id()).await.unwrap().epoch.get(), 2);
    });
}

#[test]
fn a_command_that_runs_is_asked_to_end_and_that_is_its_end() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        // SIGTERM ends it, before its grace is over: that is its own end.
        let ends = session.exec(request(&["sleep"])).await.unwrap().exec;
        let waiting = tokio::spawn({
            let session = session.clone();
            async move { session.wait(ends).await }
        });
        while session.processes().await.unwrap().is_empty() {}
        tokio::task::yield_now().await;
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let log = events(world.log(session.id()).await);
        let end = log.iter().find_map(|event| match &event.what {
            What::Exited { end, .. } => Some(end.clone()),
            _ => None,
        });
        assert_eq!(end, Some(End::Status(ExitStatus::Signaled(Signal::TERM))));
        if let Ok(info) = waiting.await.unwrap() {
            assert!(info.ended.is_some());
        }
    });
}

#[test]
fn nobody_is_given_grace_that_has_none() {
    within(async {
        let none = Options { grace: Duration::ZERO, ..options() };
        let world = World::with(Arc::new(Volatile::new()), none).await;
        let session = world.session(Tier::Journal).await;
        session.exec(request(&["spin"])).await.unwrap();
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let log = events(world.log(session.id()).await);
        let end = log.iter().find(|event| event.what.word() == "exited").unwrap();
        assert!(matches!(&end.what, What::Exited { end: End::Interrupted, .. }));
        assert_eq!(log.last().unwrap().what, What::Lifecycle { state: State::Hibernated });
        assert!(session.processes().await.unwrap().is_empty());
    });
}

#[test]
fn an_idle_session_is_put_to_rest_and_one_that_runs_something_is_not() {
    within(async {
        let world = World::new().await;
        let spec = SessionSpec { idle_timeout: Some(Duration::from_millis(300)), ..SessionSpec::default() };
        let idle = world.session_of(spec.clone()).await;
        let busy = world.session_of(spec).await;
        busy.exec(request(&["sleep"])).await.unwrap();
        let rests = |what: &What| *what == What::Lifecycle { state: State::Hibernated };
        world.log_until(idle.id(), |event| rests(&event.what)).await;
        // The event is durable before the actor has left.
        while world.sessions.get(&world.tenant, idle.id()).await.unwrap().state == State::Hibernating {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let states = [idle.id(), busy.id()].map(|id| world.sessions.get(&world.tenant, id));
        let [idle, busy] = futures_util::future::join_all(states).await.try_into().unwrap();
        assert_eq!((idle.unwrap().state, busy.unwrap().state), (State::Hibernated, State::Active));
    });
}

#[test]
fn a_session_whose_time_is_over_is_deleted_awake_or_not() {
    within(async {
        let world = World::new().await;
        let spec = SessionSpec { time_to_live: Some(Duration::from_millis(400)), ..SessionSpec::default() };
        let awake = world.session_of(spec.clone()).await.id();
        let rests = world.session_of(spec).await.id();
        world.sessions.hibernate(&world.tenant, rests).await.unwrap();
        for id in [awake, rests] {
            while world.sessions.get(&world.tenant, id).await.unwrap().state != State::Deleted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
}

#[test]
fn a_checkpoint_is_a_point_to_come_back_to() {
    within(async {
        let world = World::new().await;
        for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal] {
            let session = world.session(tier).await;
            put(&session, "/home/agent/a", b"one").await;
            let made = session.checkpoint(Some("first".to_owned())).await.unwrap();
            put(&session, "/home/agent/a", b"two").await;
            put(&session, "/home/agent/b", b"new").await;
            let exec = session.exec(request(&["sleep"])).await.unwrap().exec;
            session.rollback(made.number).await.unwrap();
            assert_eq!(session.wait(exec).await.unwrap().ended.unwrap().0, End::Interrupted);
            assert_eq!(&get(&session, "/home/agent/a").await[..], b"one");
            assert!(session.stat("/home/agent/b").await.is_err());
            assert_eq!(session.checkpoints().await.unwrap(), std::slice::from_ref(&made));
            // It lasts.
            world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
            assert_eq!(&get(&session, "/home/agent/a").await[..], b"one");
            let second = session.checkpoint(None).await.unwrap();
            assert_eq!(second.number, made.number + 1);
            let missing = session.rollback(99).await;
            assert!(matches!(missing, Err(SessionError::Durability(DurabilityError::NoCheckpoint(_, 99)))));
        }
    });
}

#[test]
fn a_checkpoint_of_a_session_that_is_written_to_is_one_moment() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        session.exec(request(&["scribble"])).await.unwrap();
        while session.stat("/home/agent/file").await.is_err() {}
        let mut made = Vec::new();
        for _ in 0..5 {
            made.push(session.checkpoint(None).await.unwrap().number);
        }
        for number in made.into_iter().rev() {
            session.rollback(number).await.unwrap();
            let bytes = get(&session, "/home/agent/file").await;
            assert!(bytes.len() % 3 == 0 && bytes.chunks(3).all(|chunk| chunk == b"hi\n"));
        }
    });
}

#[test]
fn a_fork_begins_as_its_parent_is_and_goes_its_own_way() {
    within(async {
        let world = World::new().await;
        for tier in [Tier::Scratch, Tier::Journal] {
            let parent = world.session(tier).await;
            put(&parent, "/home/agent/a", b"one").await;
            parent.exec(request(&["sleep"])).await.unwrap();
            let made = world.sessions.fork(&world.tenant, parent.id(), None).await.unwrap();
            assert_eq!(made.forked_from, Some(parent.id()));
            let child = world.handle(made.id).await;
            put(&child, "/home/agent/a", b"two").await;
            assert_eq!(&get(&parent, "/home/agent/a").await[..], b"one");
            assert!(child.processes().await.unwrap().is_empty());
            assert_eq!(parent.processes().await.unwrap().len(), 1);
            world.sessions.hibernate(&world.tenant, child.id()).await.unwrap();
            assert_eq!(&get(&child, "/home/agent/a").await[..], b"two");
            let log = events(world.log(child.id()).await);
            assert_eq!(log[1].what, What::Created { forked_from: Some(parent.id()) });
        }
    });
}

#[test]
fn a_name_leads_to_its_session_until_that_is_deleted() {
    within(async {
        let world = World::new().await;
        let name = |text: &str| Some(text.parse().unwrap());
        let made = world.sessions.create(&world.tenant, name("one"), SessionSpec::default()).await.unwrap();
        assert_eq!(world.sessions.resolve(&world.tenant, "one").await.unwrap(), made.id);
        assert_eq!(world.sessions.resolve(&world.tenant, &made.id.to_string()).await.unwrap(), made.id);
        let taken = world.sessions.create(&world.tenant, name("one"), SessionSpec::default()).await;
        assert!(matches!(taken, Err(SessionError::Durability(DurabilityError::NameTaken(_)))), "{taken:?}");
        let forked = world.sessions.fork(&world.tenant, made.id, name("one")).await;
        assert!(matches!(forked, Err(SessionError::Durability(DurabilityError::NameTaken(_)))), "{forked:?}");
        world.sessions.delete(&world.tenant, made.id).await.unwrap();
        assert!(matches!(world.sessions.resolve(&world.tenant, "one").await, Err(SessionError::NotFound(_))));
        assert_eq!(world.sessions.get(&world.tenant, made.id).await.unwrap().state, State::Deleted);
        let used = world.sessions.session(&world.tenant, made.id).await;
        assert!(matches!(used, Err(SessionError::Durability(DurabilityError::Deleted(_)))), "{used:?}");
        let again = world.sessions.delete(&world.tenant, made.id).await;
        assert!(matches!(again, Err(SessionError::Durability(DurabilityError::Deleted(_)))), "{again:?}");
        let other = world.sessions.create(&world.tenant, name("one"), SessionSpec::default()).await.unwrap();
        assert_ne!(other.id, made.id);
        assert_eq!(world.sessions.list(&world.tenant, None, 10).await.unwrap().0.len(), 1);
        assert!(matches!(world.sessions.resolve(&world.tenant, "No Name").await, Err(SessionError::Name(_))));
    });
}

#[test]
fn a_deletion_gives_no_grace_and_ends_the_log() {
    within(async {
        let patient = Options { grace: Duration::from_secs(3600), ..options() };
        let world = World::with(Arc::new(Volatile::new()), patient).await;
        let session = world.session(Tier::Checkpoint).await;
        session.exec(request(&["spin"])).await.unwrap();
        let follow = world.sessions.events(&world.tenant, session.id(), None).await.unwrap();
        world.sessions.delete(&world.tenant, session.id()).await.unwrap();
        let seen = crate::world::take_until(follow, |_| false).await;
        let log = events(seen);
        assert_eq!(log.last().unwrap().what, What::Lifecycle { state: State::Deleted });
    });
}

#[test]
fn stopping_puts_all_to_rest_and_the_next_process_finds_them() {
    within(async {
        let memory = Volatile::new();
        let next = memory.restart();
        let world = World::on(Arc::new(memory)).await;
        let mut sessions = Vec::new();
        for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal] {
            let session = world.session(tier).await;
            put(&session, "/home/agent/a", b"kept").await;
            sessions.push(session.id());
        }
        world.sessions.stop().await;
        let late = world.sessions.create(&world.tenant, None, SessionSpec::default()).await;
        assert!(matches!(late, Err(SessionError::ShuttingDown)), "{late:?}");
        let world = World::on(Arc::new(next)).await;
        for id in sessions {
            let session = world.handle(id).await;
            assert_eq!(&get(&session, "/home/agent/a").await[..], b"kept");
            let log = events(world.log(id).await);
            assert!(names(&log).iter().all(|name| *name != "exited"));
        }
    });
}

#[test]
fn looking_at_commands_wakes_nobody() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        session.run(request(&["true"]), 0).await.unwrap();
        let known = world.sessions.execs(&world.tenant, session.id()).await.unwrap();
        assert_eq!(known.len(), 1);
        assert!(known[0].ended.is_some());
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        assert!(world.sessions.execs(&world.tenant, session.id()).await.unwrap().is_empty());
        let summary = world.sessions.get(&world.tenant, session.id()).await.unwrap();
        assert_eq!(summary.state, State::Hibernated);
        world.sessions.delete(&world.tenant, session.id()).await.unwrap();
        assert!(world.sessions.execs(&world.tenant, session.id()).await.is_err());
        assert!(world.sessions.hibernate(&world.tenant, session.id()).await.is_err());
    });
}
