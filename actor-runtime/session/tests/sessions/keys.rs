//! Keyed commands: run at most once, whatever happens.

use crate::world::{World, events, get, keyed, names, request, within};
use std::sync::Arc;
use warren_kernel::process::ExitStatus;
use warren_session::SessionError;
use warren_session::durability::volatile::Volatile;
use warren_session::event::{End, What};
use warren_session::spec::Tier;

#[test]
fn a_key_runs_its_command_once_and_gives_its_outcome_again() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let first = session.run(keyed(&["keep"], "k"), 100).await.unwrap();
        let again = session.exec(keyed(&["keep"], "k")).await.unwrap();
        assert!(again.replayed && again.exec == first.info.exec);
        let finished = session.run(keyed(&["keep"], "k"), 100).await.unwrap();
        assert_eq!(finished.info.ended, first.info.ended);
        assert_eq!(&get(&session, "/home/agent/file").await[..], b"hi\n");
        let other = session.exec(keyed(&["true"], "k")).await;
        assert!(matches!(other, Err(SessionError::KeyReused)), "{other:?}");
    });
}

#[test]
fn a_hundred_at_once_with_one_key_are_one_command() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let all = (0..100).map(|_| session.run(keyed(&["hi"], "k"), 100));
        for finished in futures_util::future::join_all(all).await {
            assert_eq!(&finished.unwrap().stdout[..], b"hi\n");
        }
        let log = events(world.log(session.id()).await);
        assert_eq!(names(&log).iter().filter(|name| **name == "started").count(), 1);
    });
}

#[test]
fn an_outcome_outlives_hibernation_with_its_output() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let first = session.run(keyed(&["both"], "k"), 100).await.unwrap();
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let again = session.run(keyed(&["both"], "k"), 100).await.unwrap();
        assert_eq!(again.info.ended, first.info.ended);
        assert_eq!((&again.stdout[..], &again.stderr[..]), (&b"hi\n"[..], &b"oh\n"[..]));
        assert_eq!(again.info.command, ["both"]);
        // Numbers go on.
        let next = session.run(request(&["true"]), 0).await.unwrap();
        assert!(next.info.exec > first.info.exec);
    });
}

#[test]
fn what_a_crash_interrupted_is_not_run_again() {
    within(async {
        for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal] {
            let memory = Volatile::new();
            let next = memory.restart();
            let world = World::on(Arc::new(memory)).await;
            let session = world.session(tier).await;
            let id = session.id();
            let exec = session.exec(keyed(&["sleep"], "k")).await.unwrap().exec;
            drop((world, session));
            let world = World::on(Arc::new(next)).await;
            let session = world.handle(id).await;
            let again = session.exec(keyed(&["sleep"], "k")).await.unwrap();
            assert!(again.replayed && again.exec == exec);
            assert_eq!(session.wait(exec).await.unwrap().ended.unwrap().0, End::Interrupted);
            let log = events(world.log(id).await);
            let ends: Vec<&What> =
                log.iter().map(|event| &event.what).filter(|what| matches!(what, What::Exited { .. })).collect();
            // A scratch session's start is forgotten with it.
            assert_eq!(ends.len(), usize::from(tier != Tier::Scratch));
        }
    });
}

#[test]
fn a_program_that_is_not_there_is_an_outcome_too() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        for _ in 0..2 {
            let finished = session.run(keyed(&["nothing"], "k"), 0).await.unwrap();
            assert_eq!(finished.info.ended.unwrap().0, End::NotStarted("ENOENT".to_owned()));
        }
        let other = session.run(keyed(&["true"], "l"), 0).await.unwrap();
        assert_eq!(other.info.ended.unwrap().0, End::Status(ExitStatus::Exited(0)));
    });
}
