//! Files from outside.

use crate::world::{World, events, get, names, parts, put, request, within};
use bytes::Bytes;
use futures_util::StreamExt;
use warren_kernel::Errno;
use warren_kernel::id::Uid;
use warren_kernel::vfs::FileKind;
use warren_session::SessionError;
use warren_session::command::WriteOptions;
use warren_session::event::What;
use warren_session::spec::{SessionSpec, Tier};

fn errno<T: std::fmt::Debug>(result: Result<T, SessionError>) -> Errno {
    match result {
        Err(SessionError::File { errno, .. }) => errno,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_written_read_and_told() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Journal).await;
        let options = WriteOptions { parents: true, mode: Some(0o600), ..WriteOptions::default() };
        let path = "/home/agent/deep/er/file";
        let made = session.write_file(path, options, parts(&[b"one ", b"two"])).await.unwrap();
        assert_eq!((made.size, made.mode, made.uid, made.kind), (7, 0o600, Uid(1000), FileKind::Regular));
        assert_eq!(&get(&session, path).await[..], b"one two");
        assert_eq!(&session.read_file(path, 4..100).await.unwrap()[..], b"two");
        assert_eq!(&session.read_file(path, 100..200).await.unwrap()[..], b"");
        assert_eq!(session.stat("/home/agent/deep").await.unwrap().uid, Uid(1000));
        let log = events(world.log(session.id()).await);
        assert_eq!(names(&log[3..]), ["files_changed", "audit"]);
        let What::FilesChanged { paths, .. } = &log[3].what else { panic!() };
        assert!(paths.iter().any(|changed| changed == path), "{paths:?}");
        assert!(paths.iter().all(|changed| !changed.contains(".warren-")) || paths.len() > 3, "{paths:?}");
    });
}

#[test]
fn what_is_written_takes_the_place_of_what_was_there_at_once() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        put(&session, "/tmp/a", b"old").await;
        let exclusive = WriteOptions { exclusive: true, ..WriteOptions::default() };
        assert_eq!(errno(session.write_file("/tmp/a", exclusive.clone(), parts(&[b"x"])).await), Errno::EEXIST);
        session.write_file("/tmp/b", exclusive, parts(&[b"x"])).await.unwrap();
        // A client that breaks off leaves the old one, and nothing beside it.
        let broken = futures_util::stream::iter([Ok(Bytes::from("new")), Err(std::io::Error::other("gone"))]);
        assert_eq!(errno(session.write_file("/tmp/a", WriteOptions::default(), broken.boxed()).await), Errno::EIO);
        let never = futures_util::stream::once(async { Ok(Bytes::from("new")) }).chain(futures_util::stream::pending());
        let write = session.write_file("/tmp/a", WriteOptions::default(), never.boxed());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(20), write).await.is_err());
        assert_eq!(&get(&session, "/tmp/a").await[..], b"old");
        let listed = session.list_directory("/tmp", None, 10).await.unwrap();
        let listed: Vec<&str> = listed.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(listed, ["a", "b"]);
        let append = WriteOptions { append: true, ..WriteOptions::default() };
        session.write_file("/tmp/a", append.clone(), parts(&[b"er"])).await.unwrap();
        session.write_file("/tmp/c", append, parts(&[b"new"])).await.unwrap();
        assert_eq!(
            (&get(&session, "/tmp/a").await[..], &get(&session, "/tmp/c").await[..]),
            (&b"older"[..], &b"new"[..])
        );
    });
}

#[test]
fn an_upload_does_not_outlive_the_rest_of_its_session() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let (send, receive) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
        let parts =
            futures_util::stream::unfold(receive, |mut receive| async { Some((receive.recv().await?, receive)) });
        let writing = tokio::spawn({
            let session = session.clone();
            async move { session.write_file("/tmp/a", WriteOptions::default(), parts.boxed()).await }
        });
        send.send(Ok(Bytes::from("half"))).unwrap();
        tokio::task::yield_now().await;
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let _ = send.send(Ok(Bytes::from("other half")));
        drop(send);
        let written = writing.await.unwrap();
        match written {
            Err(SessionError::WrongState { .. }) => assert_eq!(errno(session.stat("/tmp/a").await), Errno::ENOENT),
            // It had not begun before the session went to rest, and woke it.
            Ok(_) => assert_eq!(&get(&session, "/tmp/a").await[..], b"halfother half"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn directories_are_listed_in_pages_moved_and_removed() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        session.make_directory("/tmp/d", false).await.unwrap();
        assert_eq!(errno(session.make_directory("/tmp/d", false).await), Errno::EEXIST);
        session.make_directory("/tmp/d/e/f", true).await.unwrap();
        for name in ["c", "a", "b"] {
            put(&session, &format!("/tmp/d/{name}"), b"").await;
        }
        let page = session.list_directory("/tmp/d", Some("a"), 2).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(errno(session.list_directory("/tmp/d/a", None, 2).await), Errno::ENOTDIR);
        session.rename("/tmp/d/a", "/tmp/d/b").await.unwrap();
        assert_eq!(errno(session.stat("/tmp/d/a").await), Errno::ENOENT);
        assert_eq!(errno(session.remove("/tmp/d", false).await), Errno::ENOTEMPTY);
        session.remove("/tmp/d", true).await.unwrap();
        assert_eq!(errno(session.stat("/tmp/d").await), Errno::ENOENT);
        assert_eq!(errno(session.remove("/tmp/d", true).await), Errno::ENOENT);
        assert_eq!(errno(session.remove("/proc", true).await), Errno::EROFS);
    });
}

#[test]
fn a_tree_is_removed_however_wide_and_deep_it_is() {
    within(async {
        let world = World::new().await;
        // More names in one directory than a listing has, and as many directories.
        let names = (0..10_500)
            .flat_map(|number| [(format!("tmp/wide/d{number}/"), true), (format!("tmp/wide/f{number}"), false)]);
        let session = world.imported(names).await;
        session.remove("/tmp/wide/", true).await.unwrap();
        assert_eq!(errno(session.stat("/tmp/wide").await), Errno::ENOENT);
        // Deeper than a path can say: each time all there is goes to the bottom of something new.
        let deep = "/deep".repeat(700);
        session.make_directory(&format!("/tmp/top{deep}"), true).await.unwrap();
        for _ in 0..3 {
            session.make_directory(&format!("/tmp/new{deep}"), true).await.unwrap();
            session.rename("/tmp/top", &format!("/tmp/new{deep}/top")).await.unwrap();
            session.rename("/tmp/new", "/tmp/top").await.unwrap();
        }
        put(&session, &format!("/tmp/top{deep}/file"), b"x").await;
        session.remove("/tmp/top", true).await.unwrap();
        assert!(session.list_directory("/tmp", None, 10).await.unwrap().is_empty());
        assert_eq!(errno(session.remove("/", true).await), Errno::EBUSY);
    });
}

#[test]
fn a_removal_does_not_hold_up_the_end_of_its_session() {
    within(async {
        let world = World::new().await;
        let names = (0..5000).map(|number| (format!("tmp/wide/d{number}/"), true));
        let session = world.imported(names).await;
        let removing = tokio::spawn({
            let session = session.clone();
            async move { session.remove("/tmp/wide", true).await }
        });
        tokio::task::yield_now().await;
        world.sessions.delete(&world.tenant, session.id()).await.unwrap();
        match removing.await.unwrap() {
            // It was done, or told that it cannot go on.
            Ok(()) | Err(SessionError::WrongState { .. } | SessionError::Durability(_) | SessionError::Failed(_)) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn what_cannot_be_read_or_written_says_so() {
    within(async {
        let world = World::new().await;
        let mut spec = SessionSpec::default();
        spec.limits.file_bytes = 1 << 20;
        let session = world.session_of(spec).await;
        assert_eq!(errno(session.read_file("/tmp", 0..1).await), Errno::EISDIR);
        assert_eq!(errno(session.read_file("/dev/null", 0..1).await), Errno::EINVAL);
        assert_eq!(errno(session.read_file("/nothing", 0..1).await), Errno::ENOENT);
        assert!(matches!(session.read_file("relative", 0..1).await, Err(SessionError::Invalid { .. })));
        let write = |path: &'static str, bytes: usize| {
            let session = session.clone();
            async move { session.write_file(path, WriteOptions::default(), parts(&[&vec![b'x'; bytes]])).await }
        };
        assert_eq!(errno(write("/tmp", 1).await), Errno::EISDIR);
        assert_eq!(errno(write("/nowhere/a", 1).await), Errno::ENOENT);
        assert_eq!(errno(write("/tmp/big", 2 << 20).await), Errno::EDQUOT);
        assert_eq!(errno(session.stat("/tmp/big").await), Errno::ENOENT);
        write("/tmp/fits", 1 << 19).await.unwrap();
        // What guests write is seen at once, and theirs is what clients wrote.
        session.run(request(&["keep"]), 0).await.unwrap();
        assert_eq!(&get(&session, "/home/agent/file").await[..], b"hi\n");
    });
}
