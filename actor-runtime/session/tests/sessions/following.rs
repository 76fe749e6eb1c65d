//! Logs as followers see them: no gap, no duplicate, and one word where something is lost.

use crate::world::{World, events, put, request, take_until, within};
use futures_util::StreamExt;
use std::sync::Arc;
use warren_session::durability::volatile::Volatile;
use warren_session::event::{State, What};
use warren_session::position::{Epoch, Position};
use warren_session::spec::Tier;
use warren_session::{Seen, SessionError};

#[test]
fn a_follower_goes_on_over_rest_and_wake() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let follow = world.sessions.events(&world.tenant, session.id(), None).await.unwrap();
        let seen = tokio::spawn(take_until(follow, |event| {
            event.position.epoch.get() == 4 && event.what == What::Lifecycle { state: State::Active }
        }));
        for _ in 0..3 {
            session.run(request(&["hi"]), 0).await.unwrap();
            world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        }
        world.sessions.wake(&world.tenant, session.id()).await.unwrap();
        let seen = events(seen.await.unwrap());
        for (event, seq) in seen.iter().zip(1..) {
            assert_eq!(event.position.seq, seq);
        }
    });
}

#[test]
fn a_cursor_goes_on_where_it_stood() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        session.run(request(&["hi"]), 0).await.unwrap();
        let all = events(world.log(session.id()).await);
        let last = all.last().unwrap().position;
        for (index, event) in all.iter().enumerate().take(all.len() - 1) {
            let follow = world.sessions.events(&world.tenant, session.id(), Some(event.position)).await.unwrap();
            let rest = events(take_until(follow, |event| event.position == last).await);
            assert_eq!(rest, all[index + 1..]);
        }
    });
}

#[test]
fn a_slow_follower_misses_nothing_of_what_is_kept() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let mut follow = world.sessions.events(&world.tenant, session.id(), None).await.unwrap();
        let first = follow.next().await.unwrap().unwrap();
        assert!(matches!(first, Seen::Event(_)));
        // More than memory holds.
        let flood = session.run(request(&["flood"]), 0).await.unwrap();
        let last = flood.info.ended.unwrap().1;
        let rest = events(take_until(follow, |event| event.position == last).await);
        assert_eq!(rest.len() as u64, last.seq - 1);
        let bytes: usize = rest
            .iter()
            .map(|event| match &event.what {
                What::Output { bytes, .. } => bytes.len(),
                _ => 0,
            })
            .sum();
        assert_eq!(bytes, 4 << 20);
    });
}

#[test]
fn a_slow_follower_of_a_scratch_session_is_told_what_is_lost() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Scratch).await;
        let follow = world.sessions.events(&world.tenant, session.id(), None).await.unwrap();
        let last = session.run(request(&["flood"]), 0).await.unwrap().info.ended.unwrap().1;
        let seen = take_until(follow, |event| event.position == last).await;
        let Seen::Resync { from: 1, to } = seen[0] else { panic!("{:?}", seen[0]) };
        let rest = events(seen[1..].to_vec());
        assert_eq!(rest[0].position.seq, to + 1);
    });
}

#[test]
fn what_a_crash_took_is_told_once() {
    within(async {
        let memory = Volatile::new();
        let next = memory.restart();
        let world = World::on(Arc::new(memory)).await;
        let session = world.session(Tier::Scratch).await;
        let id = session.id();
        session.run(request(&["hi"]), 0).await.unwrap();
        let saw = world.sessions.get(&world.tenant, id).await.unwrap().position;
        assert!(saw.seq > 4);
        drop((world, session));
        let world = World::on(Arc::new(next)).await;
        let follow = world.sessions.events(&world.tenant, id, Some(saw)).await.unwrap();
        world.handle(id).await;
        let seen = take_until(follow, |event| event.what == What::Lifecycle { state: State::Active }).await;
        let resyncs = seen.iter().filter(|seen| matches!(seen, Seen::Resync { .. })).count();
        assert_eq!((resyncs, &seen[0]), (1, &Seen::Resync { from: 1, to: saw.seq }));
        let rest = events(seen[1..].to_vec());
        assert_eq!(rest[0].what, What::EpochBegan { previous: Position::START });
        assert_eq!(rest[0].position.epoch.get(), 2);
    });
}

#[test]
fn a_cursor_from_nowhere_is_brought_to_the_head() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let head = world.sessions.get(&world.tenant, session.id()).await.unwrap().position;
        let beyond = Position { epoch: Epoch::new(7).unwrap(), seq: 1000 };
        for rests in [false, true] {
            if rests {
                world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
            }
            let mut follow = world.sessions.events(&world.tenant, session.id(), Some(beyond)).await.unwrap();
            let first = follow.next().await.unwrap().unwrap();
            assert!(matches!(first, Seen::Resync { to: 1000, .. }), "{first:?} after {head}");
            put(&session, "/tmp/a", b"").await;
            let next = follow.next().await.unwrap().unwrap();
            assert!(matches!(next, Seen::Event(_)), "{next:?}");
        }
    });
}

#[test]
fn so_many_follow_a_log_and_no_more() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let other = world.session(Tier::Checkpoint).await;
        let follow = |id| world.sessions.events(&world.tenant, id, None);
        let mut followers = Vec::new();
        let refused = loop {
            match follow(session.id()).await {
                Ok(seen) => followers.push(seen),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, SessionError::Overloaded { .. }), "{refused}");
        assert_eq!(followers.len(), 256);
        assert!(follow(other.id()).await.is_ok());
        followers.pop();
        assert!(follow(session.id()).await.is_ok());
    });
}

#[test]
fn a_log_ends_with_its_session_and_with_its_node() {
    within(async {
        let world = World::new().await;
        let deleted = world.session(Tier::Checkpoint).await.id();
        let stopped = world.session(Tier::Checkpoint).await.id();
        let first = world.sessions.events(&world.tenant, deleted, None).await.unwrap();
        let second = world.sessions.events(&world.tenant, stopped, None).await.unwrap();
        world.sessions.delete(&world.tenant, deleted).await.unwrap();
        let seen = events(take_until(first, |_| false).await);
        assert_eq!(seen.last().unwrap().what, What::Lifecycle { state: State::Deleted });
        let gone = world.sessions.events(&world.tenant, deleted, None).await.err();
        assert!(matches!(gone, Some(SessionError::Durability(_))), "{gone:?}");
        world.sessions.stop().await;
        let seen = events(take_until(second, |_| false).await);
        assert!(!seen.is_empty());
    });
}
