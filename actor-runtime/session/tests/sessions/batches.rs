//! Several changes of files as one, and what watchers see of files.

use crate::world::{World, events, get, options, put, request, within};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::sync::Arc;
use warren_kernel::Errno;
use warren_session::SessionError;
use warren_session::command::Operation;
use warren_session::durability::volatile::Volatile;
use warren_session::event::{How, What};
use warren_session::filter::Filter;
use warren_session::id::SessionId;
use warren_session::position::Position;
use warren_session::sessions::SCANNED_MAX;
use warren_session::spec::{SessionSpec, Tier};
use warren_session::watch::{Scope, Watched};

fn write(path: &str, content: &str) -> Operation {
    let content = content.to_owned().into();
    Operation::Write { path: path.to_owned(), content, mode: None, parents: true, exclusive: false }
}

fn remove(path: &str) -> Operation {
    Operation::Remove { path: path.to_owned(), recursive: true }
}

fn rename(from: &str, to: &str) -> Operation {
    Operation::Move { from: from.to_owned(), to: to.to_owned(), exclusive: false }
}

#[test]
fn a_batch_is_done_in_order_and_written_down_as_one() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Journal).await;
        put(&session, "/home/agent/old", b"old").await;
        let done = session
            .batch(vec![
                write("/home/agent/d/e/f", "one"),
                Operation::MakeDirectory { path: "/home/agent/m".to_owned(), mode: Some(0o700), parents: false },
                rename("/home/agent/old", "/home/agent/m/new"),
                Operation::Link { path: "/home/agent/l".to_owned(), target: "d/e/f".to_owned() },
                write("/home/agent/l", "through a link"),
                Operation::ChangeMode { path: "/home/agent/l".to_owned(), mode: 0o755 },
                write("/home/agent/gone", ""),
                remove("/home/agent/gone"),
            ])
            .await
            .unwrap();
        let shown: Vec<_> =
            done.iter().map(|info| info.as_ref().map(|info| (info.size, info.mode, info.uid.0))).collect();
        let file = Some((14, 0o755, 1000));
        assert_eq!(shown[..3], [file, Some((4096, 0o700, 1000)), Some((3, 0o644, 1000))]);
        assert_eq!(
            (done[3].as_ref().unwrap().target.as_deref(), done[3].as_ref().unwrap().uid.0),
            (Some("d/e/f"), 1000)
        );
        assert_eq!(shown[6..], [None, None]);
        assert_eq!(&get(&session, "/home/agent/d/e/f").await[..], b"through a link");
        let log = events(world.log(session.id()).await);
        let batches = log.iter().filter(|event| matches!(&event.what, What::Audit { verb, .. } if verb == "batch"));
        assert_eq!(batches.count(), 1);
        assert!(session.batch(Vec::new()).await.unwrap().is_empty());
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        assert_eq!(&get(&session, "/home/agent/m/new").await[..], b"old");
    });
}

#[test]
fn of_a_batch_that_fails_nothing_is_done() {
    within(async {
        let world = World::new().await;
        let mut spec = SessionSpec::default();
        spec.limits.set("file_bytes", 1 << 20).unwrap();
        let session = world.session_of(spec).await;
        put(&session, "/home/agent/a", b"a").await;
        session.batch(vec![write("/home/agent/d/f", "f")]).await.unwrap();
        let before = events(world.log(session.id()).await).len();
        let large = "x".repeat(2 << 20);
        let first = || {
            vec![write("/home/agent/n/new", "new"), rename("/home/agent/a", "/home/agent/b"), remove("/home/agent/d")]
        };
        let wrong = [
            (rename("/home/agent/a", "/home/agent/c"), Errno::ENOENT),
            (write("/home/agent/b/x", "below a file"), Errno::ENOTDIR),
            (write("/home/agent/n", "over a directory"), Errno::EISDIR),
            (write("/home/agent/large", &large), Errno::EDQUOT),
            (Operation::Remove { path: "/home/agent".to_owned(), recursive: false }, Errno::ENOTEMPTY),
            (remove("/"), Errno::EBUSY),
            (remove("/proc"), Errno::EROFS),
            (
                Operation::Move {
                    from: "/home/agent/b".to_owned(),
                    to: "/home/agent/n/new".to_owned(),
                    exclusive: true,
                },
                Errno::EEXIST,
            ),
        ];
        for (last, errno) in wrong {
            let mut operations = first();
            operations.push(last);
            match session.batch(operations).await {
                Err(SessionError::Operation { index: 3, error }) => {
                    assert!(
                        matches!(*error, SessionError::File { errno: got, .. } if got == errno),
                        "{errno}: {error}"
                    );
                }
                other => panic!("{errno}: {other:?}"),
            }
        }
        let bad = Operation::ChangeMode { path: "relative".to_owned(), mode: 0 };
        let bad = session.batch(vec![write("/home/agent/x", ""), bad]).await;
        assert!(matches!(bad, Err(SessionError::Operation { index: 1, .. })), "{bad:?}");
        let many = session.batch(vec![remove("/home/agent/a"); 1001]).await;
        assert!(matches!(many, Err(SessionError::Invalid { field: "operations", .. })), "{many:?}");
        assert_eq!(&get(&session, "/home/agent/a").await[..], b"a");
        assert_eq!(&get(&session, "/home/agent/d/f").await[..], b"f");
        assert!(session.stat("/home/agent/n").await.is_err());
        let said = events(world.log(session.id()).await).split_off(before);
        assert!(said.iter().all(|event| matches!(event.what, What::Kernel { .. })), "nothing changed: {said:?}");
    });
}

#[test]
fn a_batch_takes_so_many_names_away_and_no_more() {
    within(async {
        let world = World::new().await;
        let names = (0..10_001).map(|at| (format!("tmp/d/{at}"), false));
        let session = world.imported([("tmp/d".to_owned(), true)].into_iter().chain(names)).await;
        match session.batch(vec![remove("/tmp/d")]).await {
            Err(SessionError::Operation { index: 0, error }) => {
                assert!(matches!(*error, SessionError::File { errno: Errno::E2BIG, .. }), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(
            session.list_directory("/tmp/d", None, 20_000).await.unwrap().len(),
            10_000,
            "as many as are listed"
        );
        for name in ["0", "1"] {
            session.remove(&format!("/tmp/d/{name}"), false).await.unwrap();
        }
        session.batch(vec![remove("/tmp/d")]).await.unwrap();
    });
}

/// A guest that looks all the time never sees one of two without the other.
#[test]
fn who_looks_sees_all_of_a_batch_or_nothing() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        session.batch(vec![write("/tmp/a", "0"), write("/tmp/b", "0")]).await.unwrap();
        let writer = tokio::spawn({
            let session = session.clone();
            async move {
                for at in 1..200 {
                    let text = at.to_string();
                    session.batch(vec![write("/tmp/a", &text), write("/tmp/b", &text)]).await.unwrap();
                }
            }
        });
        let number = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap().parse::<u32>().unwrap();
        while !writer.is_finished() {
            // What is read first is never newer.
            let first = number(get(&session, "/tmp/a").await);
            assert!(number(get(&session, "/tmp/b").await) >= first);
        }
        writer.await.unwrap();
    });
}

type Watching = BoxStream<'static, Result<Watched, SessionError>>;

async fn watch(world: &World, id: SessionId, path: &str, after: Option<Position>) -> (Position, Watching) {
    world.sessions.watch(&world.tenant, id, Scope::new(path, true).unwrap(), after).await.unwrap()
}

/// The next changes: position, and what became of which path.
async fn next(watching: &mut Watching) -> (Position, Vec<(String, How)>) {
    match watching.next().await.unwrap().unwrap() {
        Watched::Changes { position, changes, .. } => {
            (position, changes.into_iter().map(|change| (change.path, change.how)).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_watcher_sees_what_becomes_of_files_over_rests_and_restarts() {
    within(async {
        let memory = Volatile::new();
        let restarted = memory.restart();
        let world = World::with(Arc::new(memory), options()).await;
        let session = world.session(Tier::Journal).await;
        session.batch(vec![write("/tmp/w/a", "before")]).await.unwrap();
        let (from, mut watching) = watch(&world, session.id(), "/tmp/w", None).await;
        put(&session, "/tmp/elsewhere", b"x").await;
        put(&session, "/tmp/w/a", b"one").await;
        let (first, told) = next(&mut watching).await;
        assert_eq!(told, [("/tmp/w/a".to_owned(), How::Modified)]);
        session.rename("/tmp/w/a", "/tmp/b").await.unwrap();
        let moved = ("/tmp/b".to_owned(), How::Moved { from: "/tmp/w/a".to_owned() });
        assert_eq!(next(&mut watching).await.1, [moved]);
        // By a guest, and after a rest of the session that the watch went through.
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let keep = warren_session::command::ExecRequest { cwd: Some("/tmp/w".to_owned()), ..request(&["keep"]) };
        session.run(keep, 0).await.unwrap();
        assert_eq!(next(&mut watching).await.1, [("/tmp/w/file".to_owned(), How::Created)]);
        session.remove("/tmp/w", true).await.unwrap();
        assert_eq!(next(&mut watching).await.1, [("/tmp/w".to_owned(), How::Removed)]);
        // Another watcher goes on behind the first change, at another server.
        let id = session.id();
        drop((watching, session, world));
        let world = World::with(Arc::new(restarted), options()).await;
        let (_, mut watching) = watch(&world, id, "/tmp/w", Some(first)).await;
        let mut told = Vec::new();
        for _ in 0..3 {
            told.extend(next(&mut watching).await.1.into_iter().map(|(path, _)| path));
        }
        assert_eq!(told, ["/tmp/b", "/tmp/w/file", "/tmp/w"]);
        assert!(from < first);
    });
}

#[test]
fn a_watcher_is_told_when_it_has_to_look_anew() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        put(&session, "/tmp/a", b"one").await;
        session.checkpoint(None).await.unwrap();
        let many = |count: usize| (0..count).map(|at| write(&format!("/tmp/d/{at}"), "x")).collect::<Vec<_>>();
        let (_, mut watching) = watch(&world, session.id(), "/tmp", None).await;
        session.batch(many(500)).await.unwrap();
        assert_eq!(next(&mut watching).await.1.len(), 501, "while somebody watches, this many are listed");
        drop(watching);
        let (_, mut watching) = watch(&world, session.id(), "/tmp", None).await;
        let after = world.sessions.get(&world.tenant, session.id()).await.unwrap().position;
        drop(watching);
        session.batch(vec![remove("/tmp/d")]).await.unwrap();
        session.batch(many(100)).await.unwrap();
        session.rollback(1).await.unwrap();
        // Nobody watched: of the second batch less is listed than changed, and of the way back nothing.
        (_, watching) = watch(&world, session.id(), "/tmp", Some(after)).await;
        assert_eq!(next(&mut watching).await.1, [("/tmp/d".to_owned(), How::Removed)]);
        for _ in 0..2 {
            let told = watching.next().await.unwrap().unwrap();
            assert!(matches!(told, Watched::Resync { position: Some(_) }), "{told:?}");
        }
        put(&session, "/tmp/a", b"two").await;
        assert_eq!(next(&mut watching).await.1, [("/tmp/a".to_owned(), How::Modified)]);
        world.sessions.delete(&world.tenant, session.id()).await.unwrap();
        assert!(watching.next().await.is_none());
        // A cursor beyond what there is: what was seen was lost.
        let other = world.session(Tier::Checkpoint).await.id();
        let (_, mut watching) = watch(&world, other, "/tmp", Some("1.900".parse().unwrap())).await;
        assert_eq!(watching.next().await.unwrap().unwrap(), Watched::Resync { position: None });
    });
}

#[test]
fn a_list_with_a_filter_has_each_that_is_meant_once() {
    within(async {
        let world = World::new().await;
        let of = |at: usize| SessionSpec {
            labels: [("third".to_owned(), (at % 3).to_string()), ("even".to_owned(), at.is_multiple_of(2).to_string())]
                .into(),
            template: (at < 4).then(|| "first".to_owned()),
            ..SessionSpec::default()
        };
        let mut made = Vec::new();
        for at in 0..12 {
            let name = (at % 4 == 0).then(|| format!("name-{at}").parse().unwrap());
            made.push(world.sessions.create(&world.tenant, name, of(at)).await.unwrap());
        }
        world.sessions.hibernate(&world.tenant, made[5].id).await.unwrap();
        let found = async |filter: Filter, limit: usize| {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let (part, next) = world.sessions.find(&world.tenant, after, limit, &filter).await.unwrap();
                assert!(part.len() <= limit);
                found.extend(part.into_iter().map(|one| made.iter().position(|made| made.id == one.id).unwrap()));
                match next {
                    Some(next) => after = Some(next),
                    None => {
                        // Those made within one millisecond are in no order.
                        found.sort_unstable();
                        return found;
                    }
                }
            }
        };
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for limit in [1, 2, 100] {
            let all: Vec<usize> = (0..12).collect();
            assert_eq!(found(Filter::default(), limit).await, all);
            let both = Filter { labels: vec![label("third", "0"), label("even", "true")], ..Filter::default() };
            assert_eq!(found(both, limit).await, [0, 6]);
            let rests = Filter { state: Some(warren_session::event::State::Hibernated), ..Filter::default() };
            assert_eq!(found(rests, limit).await, [5]);
            assert_eq!(
                found(Filter { name_prefix: Some("name-".to_owned()), ..Filter::default() }, limit).await,
                [0, 4, 8]
            );
            assert_eq!(
                found(Filter { template: Some("first".to_owned()), ..Filter::default() }, limit).await,
                [0, 1, 2, 3]
            );
            let between = Filter {
                created_after: Some(made[2].created),
                created_before: Some(made[6].created),
                ..Filter::default()
            };
            assert_eq!(found(between, limit).await, [3, 4, 5]);
            assert_eq!(found(Filter { labels: vec![label("third", "9")], ..Filter::default() }, limit).await, [0; 0]);
        }
    });
}

/// Of very many that are not meant a part is short, and the rest is found behind it.
#[test]
fn a_part_of_a_list_looks_at_so_many_and_no_more() {
    within(async {
        use warren_kernel::host::Timestamp;
        use warren_session::durability::{Durability, NewSession};
        let (memory, count) = (Volatile::new(), SCANNED_MAX + 500);
        let tenant = warren_session::id::TenantId::embedded();
        for at in 0..count {
            let labels = [("last".to_owned(), (at == count - 1).to_string())].into();
            let spec = Arc::new(SessionSpec { labels, ..SessionSpec::default() });
            // Ids in order, as sessions that are made one after the other have.
            let id = format!("{at:026}").parse().unwrap();
            let new =
                NewSession { tenant: tenant.clone(), id, name: None, spec, created: Timestamp(1), forked_from: None };
            memory.create(new).await.unwrap();
        }
        let world = World::on(Arc::new(memory)).await;
        let filter = Filter { labels: vec![("last".to_owned(), "true".to_owned())], ..Filter::default() };
        let (none, next) = world.sessions.find(&tenant, None, 10, &filter).await.unwrap();
        assert!(none.is_empty() && next.is_some());
        let (one, next) = world.sessions.find(&tenant, next, 10, &filter).await.unwrap();
        assert_eq!((one.len(), next), (1, None));
    });
}
