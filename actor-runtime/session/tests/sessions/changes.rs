//! What may change of a session that is there.

use crate::world::{World, events, get, put, request, within};
use std::collections::BTreeMap;
use std::time::Duration;
use warren_session::SessionError;
use warren_session::change::Change;
use warren_session::durability::DurabilityError;
use warren_session::event::{State, What};
use warren_session::spec::{SessionSpec, Tier};

fn entries(of: &[(&str, Option<&str>)]) -> Option<Option<BTreeMap<String, Option<String>>>> {
    Some(Some(of.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()))
}

fn entry(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

/// The environment of a command that starts now.
async fn environment(session: &warren_session::SessionHandle) -> String {
    let exec = session.exec(request(&["sleep"])).await.unwrap();
    let pid = session.exec_info(exec.exec).await.unwrap().pid.unwrap();
    String::from_utf8_lossy(&get(session, &format!("/proc/{pid}/environ")).await).into_owned()
}

#[test]
fn a_change_holds_at_once_and_after_a_rest_and_is_told() {
    within(async {
        let world = World::new().await;
        for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Strict] {
            let spec = SessionSpec {
                durability: tier,
                labels: entry("keep", "1"),
                environment: entry("OLD", "1"),
                ..SessionSpec::default()
            };
            let session = world.session_of(spec).await;
            let change = Change {
                name: Some(Some(format!("n-{tier:?}").to_lowercase().parse().unwrap())),
                labels: entries(&[("new", Some("2")), ("none", None)]),
                environment: entries(&[("OLD", None), ("NEW", Some("2"))]),
                secrets: entries(&[("TOKEN", Some("token"))]),
                cwd: Some(Some("/tmp".to_owned())),
                egress: Some(Some(vec!["a.example:443".to_owned()])),
                ..Change::default()
            };
            let now = world.sessions.update(&world.tenant, session.id(), change.clone()).await.unwrap();
            assert_eq!((now.name.clone(), now.state), (change.name.clone().unwrap(), State::Active));
            assert_eq!(now.labels.keys().collect::<Vec<_>>(), ["keep", "new"]);
            assert_eq!(now.egress, ["a.example:443"]);
            for _ in 0..2 {
                let environment = environment(&session).await;
                assert!(environment.contains("NEW=2") && environment.contains("TOKEN=s3cret"), "{environment}");
                assert!(!environment.contains("OLD="), "{environment}");
                session.run(request(&["keep"]), 0).await.unwrap();
                assert_eq!(session.stat("/tmp/file").await.unwrap().kind, warren_kernel::vfs::FileKind::Regular);
                world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
            }
            let name = now.name.unwrap();
            assert_eq!(world.sessions.resolve(&world.tenant, name.as_str()).await.unwrap(), session.id());
            // The same again is nothing that happened.
            world.sessions.update(&world.tenant, session.id(), change).await.unwrap();
            let told: Vec<What> = events(world.log(session.id()).await).into_iter().map(|event| event.what).collect();
            let told: Vec<&What> = told.iter().filter(|what| what.word() == "updated").collect();
            let fields = ["name", "labels", "environment", "secrets", "cwd", "egress"].map(str::to_owned).to_vec();
            assert_eq!(told, [&What::Updated { name: Some(name), fields }], "{tier:?}");
        }
    });
}

#[test]
fn one_that_rests_rests_again() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        put(&session, "/home/agent/a", b"one").await;
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let nothing = world.sessions.update(&world.tenant, session.id(), Change::default()).await.unwrap();
        assert_eq!((nothing.state, nothing.epoch.get()), (State::Hibernated, 1), "nobody was woken for nothing");
        let change = Change { labels: entries(&[("a", Some("b"))]), ..Change::default() };
        let now = world.sessions.update(&world.tenant, session.id(), change).await.unwrap();
        assert_eq!((now.state, now.labels), (State::Hibernated, entry("a", "b")));
        assert_eq!(&get(&session, "/home/agent/a").await[..], b"one");
        let gone = Change { labels: Some(None), ..Change::default() };
        let now = world.sessions.update(&world.tenant, session.id(), gone).await.unwrap();
        assert_eq!((now.state, now.labels.len()), (State::Active, 0));
    });
}

#[test]
fn what_cannot_be_is_refused_and_nothing_changes() {
    within(async {
        let world = World::new().await;
        let session = world.session_of(SessionSpec { labels: entry("a", "b"), ..SessionSpec::default() }).await;
        let name = Some(Some("taken".parse().unwrap()));
        world.sessions.create(&world.tenant, name.clone().flatten(), SessionSpec::default()).await.unwrap();
        let many: BTreeMap<String, Option<String>> =
            (0..40).map(|number| (number.to_string(), Some(String::new()))).collect();
        let wrong = [
            ("labels", Change { labels: Some(Some(many)), ..Change::default() }),
            ("environment", Change { environment: entries(&[("A=B", Some(""))]), ..Change::default() }),
            ("environment", Change { environment: entries(&[("A", Some(&"x".repeat(70_000)))]), ..Change::default() }),
            ("cwd", Change { cwd: Some(Some("tmp".to_owned())), ..Change::default() }),
            ("idle_timeout", Change { idle_timeout: Some(Some(Duration::ZERO)), ..Change::default() }),
        ];
        for (wanted, change) in wrong {
            let change = Change { name: Some(Some("other".parse().unwrap())), ..change };
            match world.sessions.update(&world.tenant, session.id(), change).await {
                Err(SessionError::Invalid { field, .. }) => assert_eq!(field, wanted),
                other => panic!("{wanted}: {other:?}"),
            }
        }
        let change = Change { name, labels: Some(None), ..Change::default() };
        let taken = world.sessions.update(&world.tenant, session.id(), change).await;
        assert!(matches!(taken, Err(SessionError::Durability(DurabilityError::NameTaken(_)))), "{taken:?}");
        let now = world.sessions.get(&world.tenant, session.id()).await.unwrap();
        assert_eq!((now.name, now.labels), (None, entry("a", "b")));
        assert!(!events(world.log(session.id()).await).iter().any(|event| event.what.word() == "updated"));
        world.sessions.delete(&world.tenant, session.id()).await.unwrap();
        let change = Change { cwd: Some(None), ..Change::default() };
        let gone = world.sessions.update(&world.tenant, session.id(), change).await;
        assert!(matches!(gone, Err(SessionError::Durability(DurabilityError::Deleted(_)))), "{gone:?}");
    });
}

#[test]
fn times_that_change_hold_from_then_on() {
    within(async {
        let world = World::new().await;
        let of = |spec| world.session_of(spec);
        let (short, later) = (Some(Duration::from_secs(3)), Some(Duration::from_secs(4)));
        let state = async |id| world.sessions.get(&world.tenant, id).await.unwrap().state;
        // Given more time, awake and at rest; given none; told to rest soon.
        let longer = of(SessionSpec { time_to_live: short, ..SessionSpec::default() }).await.id();
        let resting = of(SessionSpec { time_to_live: short, ..SessionSpec::default() }).await.id();
        let shorter = of(SessionSpec::default()).await.id();
        let idle = of(SessionSpec::default()).await.id();
        world.sessions.hibernate(&world.tenant, resting).await.unwrap();
        let update = async |id, change| world.sessions.update(&world.tenant, id, change).await.unwrap();
        for _ in 0..50 {
            update(longer, Change { time_to_live: Some(Some(Duration::from_secs(3600))), ..Change::default() }).await;
            update(longer, Change { time_to_live: Some(None), ..Change::default() }).await;
        }
        update(resting, Change { time_to_live: Some(None), ..Change::default() }).await;
        let now = update(shorter, Change { time_to_live: Some(later), ..Change::default() }).await;
        assert!(now.expires.is_some());
        let now = update(idle, Change { idle_timeout: Some(short), ..Change::default() }).await;
        assert_eq!(now.idle_timeout, short);
        while state(shorter).await != State::Deleted || state(idle).await != State::Hibernated {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!((state(longer).await, state(resting).await), (State::Active, State::Hibernated));
    });
}
