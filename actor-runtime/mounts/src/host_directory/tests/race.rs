//! A process of the host that swaps directories and links under the driver's feet.

use super::*;
use rustix::fs::{CWD, renameat_with};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const OPERATIONS: usize = 20_000;
/// The session goes on until this often `flip` was something else, however the host's scheduler shares its time.
const FLIPS: usize = 2_000;
const HARMLESS: &[u8] = b"harmless";

#[test]
fn a_directory_that_flips_to_a_link_never_leads_outside() {
    let fixture = Fixture::new();
    fixture.dir("flip");
    fixture.dir("other");
    fixture.file("flip/secret", HARMLESS);
    fixture.symlink(fixture.outside(""), "link");
    race(&fixture, |fixture| {
        renameat_with(CWD, fixture.inside("flip"), CWD, fixture.inside("link"), RenameFlags::EXCHANGE).unwrap();
    });
}

#[test]
fn a_directory_that_is_moved_up_and_down_never_leads_outside() {
    let fixture = Fixture::new();
    fixture.dir("other");
    fixture.dir("other/flip");
    fixture.dir("flip");
    fixture.file("flip/secret", HARMLESS);
    fixture.file("other/flip/secret", HARMLESS);
    race(&fixture, |fixture| {
        renameat_with(CWD, fixture.inside("flip"), CWD, fixture.inside("other/flip"), RenameFlags::EXCHANGE).unwrap();
    });
}

#[test]
fn a_file_that_flips_to_a_link_or_a_fifo_is_never_followed_and_never_waited_for() {
    let fixture = Fixture::new();
    fixture.file("flip", HARMLESS);
    fixture.symlink(fixture.outside("secret"), "link");
    rustix::fs::mknodat(CWD, fixture.inside("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    while_host(
        |turn| {
            let other = if turn % 2 == 0 { "link" } else { "fifo" };
            renameat_with(CWD, fixture.inside("flip"), CWD, fixture.inside(other), RenameFlags::EXCHANGE).unwrap();
        },
        |turn| match turn % 4 {
            0 => {
                if let Ok(handle) = fixture.open("flip", READ) {
                    assert_ne!(handle.0.read_at(0, 100).unwrap(), SECRET);
                }
            }
            1 => {
                if let Ok(handle) = fixture.open("flip", create(0o666)) {
                    handle.0.write_at(Some(0), HARMLESS).unwrap();
                }
            }
            2 => assert_ne!(fixture.stat("flip").unwrap().size, SECRET.len() as u64),
            _ => {
                let set = SetAttributes { mode: Some(Mode::new(0o600)), len: Some(8), ..SetAttributes::default() };
                let _ = fixture.set("flip", set);
            }
        },
    );
    fixture.secret_is_untouched();
}

/// Everything a session can do in `flip` while the host flips it.
fn race(fixture: &Fixture, flip: impl Fn(&Fixture) + Sync) {
    let reached = AtomicUsize::new(0);
    let note = |succeeded: bool| reached.fetch_add(usize::from(succeeded), Ordering::Relaxed);
    while_host(
        |_| flip(fixture),
        |turn| {
            // Each name is always of one kind, and few enough for a short list.
            let name = format!("flip/new-{}", turn % 512);
            match turn % 8 {
                0 => {
                    if let Ok(stat) = fixture.stat("flip/secret") {
                        assert_eq!(stat.size, HARMLESS.len() as u64);
                        note(true);
                    }
                }
                1 => {
                    if let Ok(handle) = fixture.open("flip/secret", READ) {
                        assert_eq!(handle.0.read_at(0, 100).unwrap(), HARMLESS);
                        note(true);
                    }
                }
                2 => _ = fixture.open(&name, create(0o666)),
                3 => _ = fixture.mkdir(&name, 0o777),
                4 => _ = fixture.make_symlink(&name, b"x"),
                5 => {
                    let listed = fixture.list("flip").unwrap_or_default();
                    assert!(listed.iter().all(|(name, ..)| name.starts_with("new-") || name == "secret"));
                }
                6 => {
                    let old = format!("flip/new-{}", turn % 512 - 4);
                    _ = fixture.rename(&old, &name, false).and_then(|()| fixture.link(&name, &old));
                    _ = fixture.unlink(&name);
                }
                _ => {
                    let set = SetAttributes { mode: Some(Mode::new(0o600)), ..SetAttributes::default() };
                    _ = fixture.set("flip/secret", set);
                }
            }
        },
    );
    assert!(reached.into_inner() > 0, "the directory was reached while it was one");
    fixture.secret_is_untouched();
}

/// Runs `session` [`OPERATIONS`] times, and more until `host`, in a loop on another thread, had [`FLIPS`] turns.
fn while_host(host: impl Fn(usize) + Sync, session: impl Fn(usize)) {
    let (ended, flips) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Ends the other thread also when an assertion fails here.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _end = End(&ended);
            while !ended.load(Ordering::Relaxed) {
                host(flips.fetch_add(1, Ordering::Relaxed));
            }
        });
        let _end = End(&ended);
        let mut turn = 0;
        while turn < OPERATIONS || (flips.load(Ordering::Relaxed) < FLIPS && !ended.load(Ordering::Relaxed)) {
            session(turn);
            turn += 1;
        }
    });
}
