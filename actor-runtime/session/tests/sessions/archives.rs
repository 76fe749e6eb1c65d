//! Archives, out and in.

use crate::world::{World, get, put, request, within};
use futures_util::StreamExt;
use std::io::Cursor;
use tar::{Builder, EntryType, Header};
use warren_session::spec::{SessionSpec, Tier};
use warren_session::{SessionError, SessionHandle};

async fn export(session: &SessionHandle) -> Vec<u8> {
    let mut parts = session.export().await.unwrap();
    let mut all = Vec::new();
    while let Some(part) = parts.next().await {
        all.extend_from_slice(&part.unwrap());
    }
    all
}

async fn import(world: &World, archive: Vec<u8>) -> Result<SessionHandle, SessionError> {
    let spec = SessionSpec { durability: Tier::Journal, ..SessionSpec::default() };
    let made = world.sessions.import(&world.tenant, None, spec, Cursor::new(archive)).await?;
    Ok(world.handle(made.id).await)
}

#[test]
fn what_goes_out_comes_in_as_it_was() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let long = format!("/home/agent/{}", "long-name/".repeat(20));
        session.make_directory(&long, true).await.unwrap();
        put(&session, &format!("{long}file"), &vec![7; 200_000]).await;
        put(&session, "/etc/motd", b"changed").await;
        session.run(request(&["keep"]), 0).await.unwrap();
        let archive = export(&session).await;
        let other = import(&world, archive.clone()).await.unwrap();
        for path in [format!("{long}file"), "/etc/motd".to_owned(), "/home/agent/file".to_owned()] {
            assert_eq!(get(&session, &path).await, get(&other, &path).await);
            let (one, two) = (session.stat(&path).await.unwrap(), other.stat(&path).await.unwrap());
            assert_eq!((one.mode, one.uid, one.modified), (two.mode, two.uid, two.modified));
        }
        // And out again the same.
        assert!(export(&other).await == archive);
        // The software's own files do not travel.
        assert!(!archive.windows(8).any(|window| window == b"scribble"));
    });
}

/// Name, kind, and content or target.
type Entry = (&'static str, EntryType, &'static str);

fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = Header::new_ustar();
        // Written as it is: the library would refuse some of these.
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_uid(1000);
        header.set_gid(1000);
        let links = matches!(kind, EntryType::Symlink | EntryType::Link);
        if links {
            header.as_ustar_mut().unwrap().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        let bytes = if links { "" } else { content };
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn links_of_both_kinds_come_in() {
    within(async {
        let world = World::new().await;
        let archive = archive(&[
            ("./", EntryType::Directory, ""),
            ("home/agent/a", EntryType::Regular, "one"),
            ("home/agent/b", EntryType::Link, "home/agent/a"),
            ("home/agent/c", EntryType::Symlink, "/home/agent/a"),
            ("made/on/the/way", EntryType::Fifo, ""),
            ("etc/motd", EntryType::Regular, "replaced"),
        ]);
        let session = import(&world, archive).await.unwrap();
        let (a, b) = (session.stat("/home/agent/a").await.unwrap(), session.stat("/home/agent/b").await.unwrap());
        assert_eq!((a.ino, a.links), (b.ino, 2));
        assert_eq!(session.stat("/home/agent/c").await.unwrap().target.as_deref(), Some("/home/agent/a"));
        assert_eq!(&get(&session, "/etc/motd").await[..], b"replaced");
    });
}

#[test]
fn what_reaches_out_is_refused_and_nothing_is_made() {
    within(async {
        let world = World::new().await;
        let file = EntryType::Regular;
        let cases: &[(&str, &[Entry])] = &[
            ("absolute", &[("/etc/motd", file, "x")]),
            ("`..`", &[("tmp/../../x", file, "x")]),
            ("symbolic link", &[("tmp/l", EntryType::Symlink, "/etc"), ("tmp/l/motd", file, "x")]),
            ("symbolic link", &[("tmp/l", EntryType::Symlink, "/etc"), ("tmp/h", EntryType::Link, "tmp/l/motd")]),
            ("device", &[("tmp/d", EntryType::Char, "")]),
            ("`..`", &[("tmp/h", EntryType::Link, "../motd")]),
            ("before it", &[("tmp/h", EntryType::Link, "tmp/nothing")]),
            ("something else", &[("tmp/x", file, "x"), ("tmp/x", EntryType::Directory, "")]),
            ("directory", &[("etc", file, "x")]),
            ("directory", &[("etc/motd/x", file, "x")]),
            ("sparse", &[("tmp/s", EntryType::GNUSparse, "x")]),
        ];
        for (word, entries) in cases {
            match import(&world, archive(entries)).await {
                Err(SessionError::Archive(reason)) => assert!(reason.contains(word), "{word}: {reason}"),
                other => panic!("{word}: {other:?}"),
            }
        }
        let mut cut = archive(&[("tmp/x", file, "0123456789")]);
        cut.truncate(515);
        assert!(matches!(import(&world, cut).await, Err(SessionError::Archive(_))));
        assert!(matches!(import(&world, vec![1; 2048]).await, Err(SessionError::Archive(_))));
        assert!(world.sessions.list(&world.tenant, None, 10).await.unwrap().0.is_empty());
    });
}

#[test]
fn more_than_fits_is_refused() {
    within(async {
        let world = World::new().await;
        let mut spec = SessionSpec::default();
        spec.limits.file_bytes = 64 * 1024;
        let big = "x".repeat(100_000);
        let big = archive(&[("tmp/big", EntryType::Regular, &big)]);
        let made = world.sessions.import(&world.tenant, None, spec, Cursor::new(big)).await;
        assert!(matches!(&made, Err(SessionError::Archive(reason)) if reason.contains("file_bytes")), "{made:?}");
        // A name that pretends to be very long.
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(1 << 40);
        header.set_cksum();
        let made = import(&world, header.as_bytes().to_vec()).await;
        assert!(matches!(&made, Err(SessionError::Archive(reason)) if reason.contains("longer")), "{made:?}");
    });
}

/// Extensions of the entry behind them.
fn extended(archive: &mut Vec<u8>, pairs: &[(&str, &[u8])]) {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions(pairs.iter().copied()).unwrap();
    archive.append(builder.get_mut());
}

#[test]
fn attributes_come_in_and_go_out() {
    within(async {
        let world = World::new().await;
        let mut bytes = Vec::new();
        let value: &[u8] = b"any\nbytes\0=";
        extended(&mut bytes, &[("SCHILY.xattr.user.note", value), ("mtime", b"-1.25")]);
        bytes.append(&mut archive(&[("home/agent/a", EntryType::Regular, "one")]));
        let session = import(&world, bytes).await.unwrap();
        let out = export(&session).await;
        let again = import(&world, out.clone()).await.unwrap();
        assert!(export(&again).await == out);
        let has = |record: &[u8]| out.windows(record.len()).any(|window| window == record);
        assert!(has(b" SCHILY.xattr.user.note=any\nbytes\0=\n") && has(b" mtime=-1.250000000\n"));
        assert_eq!(session.stat("/home/agent/a").await.unwrap().modified.0, -1_250_000_000);
    });
}

#[test]
fn extensions_are_bounded_however_they_are_cut() {
    within(async {
        let world = World::new().await;
        let mut bytes = Vec::new();
        let value = vec![b'x'; 60_000];
        for number in 0..20 {
            extended(&mut bytes, &[(&format!("SCHILY.xattr.user.n{number}"), &value)]);
        }
        bytes.append(&mut archive(&[("home/agent/a", EntryType::Regular, "one")]));
        let made = import(&world, bytes).await;
        assert!(matches!(&made, Err(SessionError::Archive(reason)) if reason.contains("longer")), "{made:?}");
        // Of many entries together they may be longer.
        let mut bytes = Vec::new();
        for number in 0..20 {
            extended(&mut bytes, &[("SCHILY.xattr.user.n", &value)]);
            let name = format!("home/agent/{number}");
            let mut entry = archive(&[(&name, EntryType::Regular, "")]);
            entry.truncate(512);
            bytes.append(&mut entry);
        }
        import(&world, bytes).await.unwrap();
    });
}

#[test]
fn archives_that_nobody_reads_hold_no_thread() {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let runtime = threads.worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        put(&session, "/home/agent/large", &vec![7; 1 << 20]).await;
        let mut unread = Vec::new();
        for _ in 0..4 {
            let mut parts = session.export().await.unwrap();
            parts.next().await.unwrap().unwrap();
            unread.push(parts);
        }
        // Each holds files as they were: there may be so many and no more.
        assert!(matches!(session.export().await, Err(SessionError::Overloaded { .. })));
        // The one thread is there for others: to pack, to unpack, to wake.
        let other = world.session(Tier::Checkpoint).await;
        let archive = export(&other).await;
        import(&world, archive).await.unwrap();
        world.sessions.hibernate(&world.tenant, other.id()).await.unwrap();
        other.stat("/tmp").await.unwrap();
        // What is read on is of the moment it began.
        put(&session, "/home/agent/large", b"").await;
        let rest = unread.pop().unwrap().fold(0, async |bytes, part| bytes + part.unwrap().len()).await;
        assert!(rest > (1 << 20) - (1 << 18), "{rest}");
        drop(unread);
        export(&session).await;
    });
}
