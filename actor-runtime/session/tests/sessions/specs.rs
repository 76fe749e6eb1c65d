//! What a session is made of.

use crate::world::{World, get, request, within};
use std::collections::BTreeMap;
use std::time::Duration;
use warren_kernel::policy::{Policy, Rules};
use warren_session::SessionError;
use warren_session::command::ExecRequest;
use warren_session::event::What;
use warren_session::spec::{SessionSpec, SpecFile, Tier};

fn file(path: &str, content: &str) -> SpecFile {
    SpecFile { path: path.to_owned(), content: content.to_owned(), mode: 0o640 }
}

#[test]
fn files_of_a_spec_are_there_and_stay() {
    within(async {
        let world = World::new().await;
        let spec = SessionSpec { files: vec![file("/srv/app/a", "one")], ..SessionSpec::default() };
        let session = world.session_of(spec).await;
        for _ in 0..2 {
            let info = session.stat("/srv/app/a").await.unwrap();
            assert_eq!((info.mode, info.uid.0), (0o640, 1000));
            assert_eq!(&get(&session, "/srv/app/a").await[..], b"one");
            world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        }
    });
}

#[test]
fn each_field_that_is_wrong_is_named() {
    within(async {
        let world = World::new().await;
        let entry = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let base = SessionSpec::default;
        let cases = [
            ("environment", SessionSpec { environment: entry("A=B", "x"), ..base() }),
            ("environment", SessionSpec { environment: entry("A", &"x".repeat(70_000)), ..base() }),
            ("secrets", SessionSpec { environment: entry("A", "x"), secrets: entry("A", "token"), ..base() }),
            ("cwd", SessionSpec { cwd: Some("tmp".to_owned()), ..base() }),
            ("user", SessionSpec { user: Some("somebody".to_owned()), ..base() }),
            ("files", SessionSpec { files: vec![file("relative", "")], ..base() }),
            ("files", SessionSpec { files: vec![file("/a/../b", "")], ..base() }),
            ("labels", SessionSpec { labels: entry("", "x"), ..base() }),
            ("egress", SessionSpec { egress: vec!["a.example".to_owned(), "b example".to_owned()], ..base() }),
            ("egress", SessionSpec { egress: vec!["a".to_owned(); 129], ..base() }),
            ("idle_timeout", SessionSpec { idle_timeout: Some(Duration::ZERO), ..base() }),
        ];
        for (wanted, spec) in cases {
            match world.sessions.create(&world.tenant, None, spec).await {
                Err(SessionError::Invalid { field, .. }) => assert_eq!(field, wanted),
                other => panic!("{wanted}: {other:?}"),
            }
        }
        let missing = SessionSpec { software: Some(vec!["other@1".to_owned()]), ..base() };
        let made = world.sessions.create(&world.tenant, None, missing).await;
        assert!(matches!(made, Err(SessionError::Software(_))), "{made:?}");
        assert!(world.sessions.list(&world.tenant, None, 10).await.unwrap().0.is_empty());
    });
}

#[test]
fn a_secret_is_in_the_environment_and_nowhere_else() {
    within(async {
        let world = World::new().await;
        let secrets = BTreeMap::from([("TOKEN".to_owned(), "token".to_owned())]);
        let session = world.session_of(SessionSpec { secrets, ..SessionSpec::default() }).await;
        let exec = session.exec(request(&["sleep"])).await.unwrap();
        let pid = session.exec_info(exec.exec).await.unwrap().pid.unwrap();
        let environment = get(&session, &format!("/proc/{pid}/environ")).await;
        assert!(String::from_utf8_lossy(&environment).contains("TOKEN=s3cret"));
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let log = format!("{:?}", world.log(session.id()).await);
        assert!(!log.contains("s3cret"));
        let missing = BTreeMap::from([("TOKEN".to_owned(), "nothing".to_owned())]);
        let session = world.session_of(SessionSpec { secrets: missing, ..SessionSpec::default() }).await;
        let refused = session.exec(request(&["true"])).await;
        assert!(matches!(refused, Err(SessionError::Invalid { field: "secrets", .. })), "{refused:?}");
    });
}

#[test]
fn a_policy_holds_and_its_refusals_are_told() {
    within(async {
        let world = World::new().await;
        let policy = Policy { write: Rules::default(), environment: Rules::default(), ..Policy::session() };
        let spec = SessionSpec { policy: Some(policy), durability: Tier::Journal, ..SessionSpec::default() };
        let session = world.session_of(spec).await;
        session.run(request(&["keep"]), 0).await.unwrap();
        assert!(session.stat("/home/agent/file").await.is_err());
        let log = crate::world::events(world.log(session.id()).await);
        assert!(log.iter().any(|event| matches!(event.what, What::Kernel { .. })), "{log:?}");
        let named =
            ExecRequest { environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]), ..request(&["true"]) };
        let refused = session.exec(named).await;
        assert!(matches!(refused, Err(SessionError::Invalid { field: "environment", .. })), "{refused:?}");
    });
}

#[test]
fn files_of_a_spec_come_again_when_nothing_was_kept() {
    within(async {
        let memory = warren_session::durability::volatile::Volatile::new();
        let next = memory.restart();
        let world = World::on(std::sync::Arc::new(memory)).await;
        let files = vec![file("/srv/a", "one")];
        let spec = SessionSpec { files, durability: Tier::Scratch, ..SessionSpec::default() };
        let id = world.session_of(spec).await.id();
        drop(world);
        let world = World::on(std::sync::Arc::new(next)).await;
        assert_eq!(&get(&world.handle(id).await, "/srv/a").await[..], b"one");
        let log = crate::world::events(world.log(id).await);
        assert_eq!(crate::world::names(&log)[..2], ["epoch_began", "created"]);
    });
}
