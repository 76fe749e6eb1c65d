//! Commands: start, output, input, end.

use crate::world::{World, events, names, request, take_until, within};
use bytes::Bytes;
use std::time::Duration;
use warren_kernel::id::Pid;
use warren_kernel::process::ExitStatus;
use warren_kernel::pty::WindowSize;
use warren_kernel::signal::Signal;
use warren_session::SessionError;
use warren_session::command::{ExecRequest, Stdin, Words};
use warren_session::event::{End, Stream, What};
use warren_session::spec::{SessionSpec, Tier};

#[test]
fn a_command_runs_and_its_end_is_told_with_its_output() {
    within(async {
        let world = World::new().await;
        for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Strict] {
            let session = world.session(tier).await;
            let finished = session.run(request(&["both"]), 1024).await.unwrap();
            assert_eq!((&finished.stdout[..], &finished.stderr[..]), (&b"hi\n"[..], &b"oh\n"[..]));
            assert!(!finished.cut);
            let (end, position) = finished.info.ended.unwrap();
            assert_eq!(end, End::Status(ExitStatus::Exited(0)));
            let log = events(world.log(session.id()).await);
            assert_eq!(log.last().unwrap().position, position);
            let expected = ["epoch_began", "created", "lifecycle", "started", "output", "output", "exited"];
            assert_eq!(names(&log), expected);
            for (event, seq) in log.iter().zip(1..) {
                assert_eq!(event.position.seq, seq);
            }
        }
    });
}

#[test]
fn a_status_is_told_and_so_is_a_program_that_is_not_there() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let seven = session.run(request(&["seven"]), 0).await.unwrap();
        assert_eq!(seven.info.ended.unwrap().0, End::Status(ExitStatus::Exited(7)));
        let nothing = session.run(request(&["nothing"]), 0).await.unwrap();
        assert_eq!(nothing.info.ended.unwrap().0, End::NotStarted("ENOENT".to_owned()));
        let log = events(world.log(session.id()).await);
        assert_eq!(names(&log[3..]), ["started", "exited", "started", "exited"]);
        // A line needs a shell, and there is none.
        let line = ExecRequest { command: Words::Line("true".to_owned()), ..request(&[]) };
        let line = session.run(line, 0).await.unwrap();
        assert_eq!(line.info.ended.unwrap().0, End::NotStarted("ENOENT".to_owned()));
    });
}

#[test]
fn a_request_that_makes_no_sense_is_refused_with_its_field() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Scratch).await;
        let bad = [
            ("command", request(&[])),
            ("command", request(&["a\0b"])),
            ("cwd", ExecRequest { cwd: Some("relative".to_owned()), ..request(&["true"]) }),
            (
                "environment",
                ExecRequest { environment: [("A=B".to_owned(), String::new())].into(), ..request(&["true"]) },
            ),
        ];
        for (wanted, request) in bad {
            match session.exec(request).await {
                Err(SessionError::Invalid { field, .. }) => assert_eq!(field, wanted),
                other => panic!("{wanted}: {other:?}"),
            }
        }
        assert!(session.execs().await.unwrap().is_empty());
    });
}

#[test]
fn what_a_client_writes_is_read_until_it_closes() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let cat = ExecRequest { stdin: Stdin::Open, ..request(&["cat"]) };
        let exec = session.exec(cat).await.unwrap().exec;
        for word in ["one ", "two"] {
            session.write_stdin(exec, Bytes::from(word)).await.unwrap();
        }
        let first = session.output(exec, Stream::Stdout, 0, 4, true).await.unwrap();
        assert_eq!((first.offset, &first.bytes[..], first.end), (0, &b"one "[..], false));
        session.close_stdin(exec).await.unwrap();
        let info = session.wait(exec).await.unwrap();
        assert_eq!((info.ended.unwrap().0, info.written), (End::Status(ExitStatus::Exited(0)), [7, 0]));
        assert!(matches!(session.write_stdin(exec, Bytes::from("x")).await, Err(SessionError::NoInput(_))));
        let rest = session.output(exec, Stream::Stdout, 4, 100, true).await.unwrap();
        assert_eq!((rest.offset, &rest.bytes[..], rest.end), (4, &b"two"[..], true));
        let past = session.output(exec, Stream::Stdout, 7, 100, true).await.unwrap();
        assert!(past.end && past.bytes.is_empty());
    });
}

#[test]
fn commands_that_are_over_hold_no_terminal_and_no_pipe() {
    within(async {
        let world = World::new().await;
        let mut spec = SessionSpec::default();
        (spec.limits.ptys, spec.limits.pipes) = (2, 4);
        let session = world.session_of(spec).await;
        let size = WindowSize { rows: 24, columns: 80, ..WindowSize::default() };
        for _ in 0..5 {
            let finished = session.run(ExecRequest { terminal: Some(size), ..request(&["hi"]) }, 100).await.unwrap();
            assert_eq!(&finished.stdout[..], b"hi\r\n");
            let open = session.exec(ExecRequest { stdin: Stdin::Open, ..request(&["true"]) }).await.unwrap().exec;
            let end = session.wait(open).await.unwrap().ended.unwrap().0;
            assert_eq!(end, End::Status(ExitStatus::Exited(0)));
            assert!(matches!(session.write_stdin(open, Bytes::from("x")).await, Err(SessionError::NoInput(_))));
            assert!(session.resize(finished.info.exec, size).await.is_err());
        }
    });
}

#[test]
fn input_that_nobody_reads_is_bounded() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let bytes = Bytes::from(vec![b'x'; 30 << 20]);
        let unread = || ExecRequest { stdin: Stdin::Bytes(bytes.clone()), ..request(&["sleep"]) };
        let first = session.exec(unread()).await.unwrap().exec;
        session.exec(unread()).await.unwrap();
        assert!(matches!(session.exec(unread()).await, Err(SessionError::Overloaded { .. })));
        // What needs none is not held up, and a place is free when a command is over.
        session.run(request(&["true"]), 0).await.unwrap();
        session.signal_exec(first, Signal::KILL).await.unwrap();
        session.wait(first).await.unwrap();
        let again = async {
            while let Err(SessionError::Overloaded { .. }) = session.exec(unread()).await {
                tokio::task::yield_now().await;
            }
        };
        again.await;
    });
}

#[test]
fn given_input_is_read_to_its_end() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let bytes = Bytes::from(vec![b'x'; 300_000]);
        let cat = ExecRequest { stdin: Stdin::Bytes(bytes.clone()), ..request(&["cat"]) };
        let finished = session.run(cat, 1 << 20).await.unwrap();
        assert!(finished.stdout == bytes && !finished.cut);
    });
}

#[test]
fn a_flood_is_kept_whole_and_cut_only_for_whom_it_is_too_much() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Journal).await;
        let finished = session.run(request(&["flood"]), 1000).await.unwrap();
        assert_eq!((finished.stdout.len(), finished.cut, finished.info.written), (1000, true, [4 << 20, 0]));
        // More than memory holds: the beginning comes from what is kept.
        let exec = finished.info.exec;
        let mut offset = 0;
        loop {
            let part = session.output(exec, Stream::Stdout, offset, 100_000, true).await.unwrap();
            assert_eq!(part.offset, offset);
            offset += part.bytes.len() as u64;
            if part.end {
                break;
            }
            assert!(!part.bytes.is_empty());
        }
        assert_eq!(offset, 4 << 20);
    });
}

#[test]
fn a_scratch_session_keeps_what_memory_holds() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Scratch).await;
        let exec = session.run(request(&["flood"]), 0).await.unwrap().info.exec;
        let part = session.output(exec, Stream::Stdout, 0, 1, true).await.unwrap();
        assert!(part.offset > 0, "what is before is lost, and that is told");
        let end = session.output(exec, Stream::Stdout, 4 << 20, 1, true).await.unwrap();
        assert!(end.end);
    });
}

#[test]
fn a_command_is_killed_when_its_time_is_up_or_by_a_signal() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let spin = ExecRequest { timeout: Some(Duration::from_millis(30)), ..request(&["spin"]) };
        assert_eq!(session.run(spin, 0).await.unwrap().info.ended.unwrap().0, End::TimedOut);
        let exec = session.exec(request(&["sleep"])).await.unwrap().exec;
        assert_eq!(session.processes().await.unwrap().len(), 1);
        session.signal_exec(exec, Signal::TERM).await.unwrap();
        let ended = session.wait(exec).await.unwrap().ended.unwrap().0;
        assert_eq!(ended, End::Status(ExitStatus::Signaled(Signal::TERM)));
        assert!(session.processes().await.unwrap().is_empty());
        let late = session.signal_exec(exec, Signal::TERM).await;
        assert!(matches!(late, Err(SessionError::ExecOver(over)) if over == exec), "{late:?}");
        for pid in [Pid::INIT, Pid(777), Pid(i32::MAX as u32)] {
            let nobody = session.signal(pid, Signal::TERM).await;
            assert!(matches!(nobody, Err(SessionError::NoProcess(none)) if none == pid), "{nobody:?}");
        }
    });
}

#[test]
fn a_terminal_shows_what_is_typed_and_takes_a_size() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let size = WindowSize { rows: 24, columns: 80, ..WindowSize::default() };
        let cat = ExecRequest { terminal: Some(size), stdin: Stdin::Open, ..request(&["cat"]) };
        let exec = session.exec(cat).await.unwrap().exec;
        session.resize(exec, WindowSize { rows: 50, ..size }).await.unwrap();
        session.write_stdin(exec, Bytes::from("word\n")).await.unwrap();
        // Echoed by the terminal, and written by the command.
        let mut shown = Vec::new();
        while shown.len() < 12 {
            let part = session.output(exec, Stream::Stdout, shown.len() as u64, 100, true).await.unwrap();
            shown.extend_from_slice(&part.bytes);
        }
        assert_eq!(String::from_utf8_lossy(&shown), "word\r\nword\r\n");
        session.close_stdin(exec).await.unwrap();
        assert_eq!(session.wait(exec).await.unwrap().ended.unwrap().0, End::Status(ExitStatus::Exited(0)));
        let late = session.resize(exec, size).await;
        assert!(matches!(late, Err(SessionError::ExecOver(over)) if over == exec), "{late:?}");
        let plain = session.exec(request(&["sleep"])).await.unwrap().exec;
        let pipes = session.resize(plain, size).await;
        assert!(matches!(pipes, Err(SessionError::NotOnTerminal(none)) if none == plain), "{pipes:?}");
    });
}

#[test]
fn only_so_many_run_at_once() {
    within(async {
        let world = World::new().await;
        let mut spec = SessionSpec { durability: Tier::Scratch, ..SessionSpec::default() };
        spec.limits.processes = 1000;
        spec.limits.pipes = 2000;
        let session = world.session_of(spec).await;
        let mut running = Vec::new();
        for _ in 0..256 {
            running.push(session.exec(request(&["sleep"])).await.unwrap().exec);
        }
        match session.exec(request(&["sleep"])).await {
            Err(SessionError::TooManyExecs { limit: 256, .. }) => {}
            other => panic!("{other:?}"),
        }
        session.signal_exec(running[0], Signal::KILL).await.unwrap();
        session.wait(running[0]).await.unwrap();
        session.run(request(&["true"]), 0).await.unwrap();
    });
}

#[test]
fn output_of_a_running_command_reaches_followers_before_its_end() {
    within(async {
        let world = World::new().await;
        let session = world.session(Tier::Journal).await;
        let follow = world.sessions.events(&world.tenant, session.id(), None).await.unwrap();
        let exec = session.exec(request(&["nap"])).await.unwrap().exec;
        let seen = take_until(follow, |event| matches!(event.what, What::Output { .. })).await;
        assert!(session.exec_info(exec).await.unwrap().ended.is_none());
        assert_eq!(names(&events(seen)).last(), Some(&"output"));
        session.wait(exec).await.unwrap();
    });
}
