//! Terminals: who looks at one sees all of it, whenever they come, and it is there again after its session was.

use crate::world::{World, within};
use bytes::Bytes;
use std::sync::Arc;
use warren_kernel::process::ExitStatus;
use warren_kernel::pty::WindowSize;
use warren_session::command::Words;
use warren_session::durability::volatile::Volatile;
use warren_session::event::End;
use warren_session::spec::Tier;
use warren_session::terminal::{Shown, TERMINALS_MAX, TerminalRequest, VIEWERS_MAX, View};
use warren_session::{SessionError, SessionHandle};

fn wanted(name: &str, words: &[&str]) -> TerminalRequest {
    TerminalRequest {
        name: Some(name.parse().unwrap()),
        command: Some(Words::Argv(words.iter().map(|&word| word.to_owned()).collect())),
        environment: Default::default(),
        cwd: None,
        size: WindowSize::new(20, 80),
    }
}

async fn view(session: &SessionHandle, name: &str, offset: Option<u64>) -> View {
    session.view_terminal(&name.parse().unwrap(), offset, true).await.unwrap()
}

async fn types(session: &SessionHandle, name: &str, text: &str) {
    session.type_into(&name.parse().unwrap(), Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
}

/// Looks until this is seen in the stream; the offset behind it.
async fn sees(view: &mut View, text: &str) -> u64 {
    let mut seen = String::new();
    loop {
        match view.next().await {
            Some(Shown::Bytes { offset, bytes }) => {
                seen.push_str(&String::from_utf8_lossy(&bytes));
                if seen.contains(text) {
                    return offset + bytes.len() as u64;
                }
            }
            Some(Shown::Size(_) | Shown::Screen { .. } | Shown::Gap { .. }) => {}
            other => panic!("`{text}` was not seen: {seen:?}, {other:?}"),
        }
    }
}

async fn lines(session: &SessionHandle, name: &str) -> Vec<String> {
    let (_, shot) = session.terminal(&name.parse().unwrap()).await.unwrap();
    shot.lines.into_iter().filter(|line| !line.is_empty()).collect()
}

#[test]
fn all_who_look_see_the_same() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let info = session.open_terminal(wanted("main", &["cat"])).await.unwrap();
        assert_eq!((info.running, info.kept.rows, info.kept.columns), (true, 20, 80));
        let mut first = view(&session, "main", None).await;
        assert_eq!(first.next().await, Some(Shown::Size(WindowSize::new(20, 80))));
        assert!(matches!(first.next().await, Some(Shown::Screen { offset: 0, .. })));
        types(&session, "main", "one\n").await;
        let at = sees(&mut first, "one\r\none\r\n").await;
        assert_eq!(at, 10);
        // One who comes now begins with the screen, one who was here before with what is missing.
        let mut second = view(&session, "main", None).await;
        let mut third = view(&session, "main", Some(5)).await;
        assert!(matches!(second.next().await, Some(Shown::Size(_))));
        match second.next().await {
            Some(Shown::Screen { offset: 10, bytes }) => {
                assert!(String::from_utf8_lossy(&bytes).contains("one"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(sees(&mut third, "one\r\n").await, 10);
        session.resize_terminal(&"main".parse().unwrap(), WindowSize::new(21, 90)).await.unwrap();
        for view in [&mut first, &mut second, &mut third] {
            assert_eq!(view.next().await, Some(Shown::Size(WindowSize::new(21, 90))));
        }
        types(&session, "main", "\x04").await;
        for view in [&mut first, &mut second, &mut third] {
            assert_eq!(view.next().await, Some(Shown::Ended(End::Status(ExitStatus::Exited(0)))));
            assert_eq!(view.next().await, None);
        }
        let over = session.type_into(&"main".parse().unwrap(), Bytes::from_static(b"x")).await;
        assert!(matches!(over, Err(SessionError::TerminalOver(_))), "{over:?}");
        // Who attaches to write starts it anew, below what it showed; who only looks does not.
        let looked = session.view_terminal(&"main".parse().unwrap(), None, false).await.unwrap();
        assert!(!session.terminal(&"main".parse().unwrap()).await.unwrap().0.running);
        drop(looked);
        let mut again = view(&session, "main", Some(10)).await;
        let said = sees(&mut again, "status 0]\r\n").await;
        assert!(said > 10);
        types(&session, "main", "two\n").await;
        sees(&mut again, "two\r\ntwo\r\n").await;
        assert_eq!(lines(&session, "main").await[0], "one");
    });
}

#[test]
fn a_terminal_survives_the_rest_and_the_death_of_its_session() {
    within(async {
        let mut kept = Arc::new(Volatile::new());
        let mut world = World::on(kept.clone()).await;
        for tier in [Tier::Checkpoint, Tier::Journal, Tier::Strict, Tier::Scratch] {
            let session = world.session(tier).await;
            session.open_terminal(wanted("main", &["cat"])).await.unwrap();
            let mut looks = view(&session, "main", Some(0)).await;
            types(&session, "main", "before\n").await;
            let mut at = sees(&mut looks, "before\r\nbefore\r\n").await;
            session.resize_terminal(&"main".parse().unwrap(), WindowSize::new(22, 100)).await.unwrap();
            for round in 0..3 {
                let died = round == 1 && tier != Tier::Scratch;
                if died {
                    kept = Arc::new(kept.restart());
                    world = World::on(kept.clone()).await;
                } else {
                    world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
                }
                let session = world.sessions.session(&world.tenant, session.id()).await.unwrap();
                let (info, shot) = session.terminal(&"main".parse().unwrap()).await.unwrap();
                assert_eq!((info.running, info.kept.rows, info.kept.columns), (false, 22, 100), "{tier:?} {round}");
                assert!(shot.lines.contains(&"before".to_owned()), "{tier:?} {round}: {shot:?}");
                assert_eq!(shot.offset, at, "{tier:?} {round}");
                let mut looks = view(&session, "main", Some(at)).await;
                sees(&mut looks, "[warren: a new shell").await;
                types(&session, "main", "after\n").await;
                at = sees(&mut looks, "after\r\nafter\r\n").await;
                assert_eq!(lines(&session, "main").await[..2], ["before", "before"]);
            }
        }
    });
}

#[test]
fn what_cannot_be_is_refused() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let name = "main".parse().unwrap();
        assert!(matches!(session.terminal(&name).await, Err(SessionError::NoTerminal(_))));
        for size in [(0, 80), (24, 0), (201, 80), (24, 401), (u16::MAX, u16::MAX)] {
            let request = TerminalRequest { size: WindowSize::new(size.0, size.1), ..wanted("x", &["cat"]) };
            let refused = session.open_terminal(request).await;
            assert!(matches!(refused, Err(SessionError::Invalid { .. })), "{refused:?}");
        }
        let refused = session.open_terminal(wanted("x", &[])).await;
        assert!(matches!(refused, Err(SessionError::Invalid { field: "command", .. })), "{refused:?}");
        for number in 0..TERMINALS_MAX {
            let unnamed = TerminalRequest { name: None, ..wanted("x", &["cat"]) };
            let opened = session.open_terminal(unnamed).await.unwrap();
            assert_eq!(opened.name.as_str(), (number + 1).to_string());
        }
        let refused = session.open_terminal(wanted("1", &["cat"])).await;
        assert!(matches!(refused, Err(SessionError::TerminalExists(_))), "{refused:?}");
        let refused = session.open_terminal(wanted("x", &["cat"])).await;
        assert!(matches!(refused, Err(SessionError::TooManyTerminals { .. })), "{refused:?}");
        let mut views = Vec::new();
        for _ in 0..VIEWERS_MAX {
            views.push(view(&session, "1", None).await);
        }
        let refused = session.view_terminal(&"1".parse().unwrap(), None, false).await;
        assert!(matches!(refused, Err(SessionError::Overloaded { .. })));
        session.close_terminal(&"1".parse().unwrap()).await.unwrap();
        while !matches!(views[0].next().await, Some(Shown::Closed)) {}
        assert!(matches!(session.close_terminal(&"1".parse().unwrap()).await, Err(SessionError::NoTerminal(_))));
        // Its place is free, and a program that is not there is told as one that ended.
        session.open_terminal(wanted("none", &["no-such-program"])).await.unwrap();
        let mut none = session.view_terminal(&"none".parse().unwrap(), Some(0), false).await.unwrap();
        assert!(matches!(none.next().await, Some(Shown::Size(_))));
        assert_eq!(none.next().await, Some(Shown::Ended(End::NotStarted("ENOENT".to_owned()))));
    });
}

#[test]
fn who_is_slow_gets_a_screen_and_holds_up_nobody() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        session.open_terminal(wanted("main", &["flood"])).await.unwrap();
        let mut slow = session.view_terminal(&"main".parse().unwrap(), Some(0), false).await.unwrap();
        let mut quick = session.view_terminal(&"main".parse().unwrap(), None, false).await.unwrap();
        while !matches!(quick.next().await, Some(Shown::Ended(_))) {}
        assert!(matches!(slow.next().await, Some(Shown::Size(_))));
        let size = 64 * 65_536;
        assert_eq!(slow.next().await, Some(Shown::Gap { from: 0, to: size }));
        assert!(matches!(slow.next().await, Some(Shown::Screen { offset, .. }) if offset == size));
        assert!(matches!(slow.next().await, Some(Shown::Ended(_))));
        // An offset that never was is no gap: nothing lies between it and the screen.
        for ahead in [size + 1, u64::MAX] {
            let mut beyond = session.view_terminal(&"main".parse().unwrap(), Some(ahead), false).await.unwrap();
            assert!(matches!(beyond.next().await, Some(Shown::Size(_))));
            assert!(matches!(beyond.next().await, Some(Shown::Screen { offset, .. }) if offset == size));
            assert!(matches!(beyond.next().await, Some(Shown::Ended(_))));
        }
        // Who has all of it misses nothing.
        let mut whole = session.view_terminal(&"main".parse().unwrap(), Some(size), false).await.unwrap();
        assert!(matches!(whole.next().await, Some(Shown::Size(_))));
        assert!(matches!(whole.next().await, Some(Shown::Ended(_))));
    });
}
