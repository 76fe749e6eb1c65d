//! Directories made and removed with what is above and below them.

use crate::world::{Place, errno, owned, path, wait};
use deno_fs::FileSystem;
use std::sync::atomic::{AtomicBool, Ordering};
use warren_kernel::id::Pid;
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Call, Errno, Kernel};

#[test]
fn directories_are_made_one_by_one_or_all_on_the_way() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("one"), false, None).unwrap();
    place.fs.mkdir_sync(&path("one/two/three/"), true, Some(0o750)).unwrap();
    wait(place.fs.mkdir_async(owned("one/two/./x/../four"), true, None)).unwrap();
    assert_eq!(place.names("one/two"), ["four", "three", "x"]);
    let mode = |at| place.fs.stat_sync(&path(at)).unwrap().mode & 0o7777;
    assert_eq!((mode("one"), mode("one/two"), mode("one/two/three")), (0o755, 0o750, 0o750));
    // What is there is as good, though nothing could be made there.
    for at in ["one", "one/two", ".", "/", "/lib", "/proc", "/mnt"] {
        place.fs.mkdir_sync(&path(at), true, None).unwrap();
    }
}

#[test]
fn a_directory_that_cannot_be_made_says_why() {
    let place = Place::new();
    place.put("file", b"");
    for (at, recursive, want) in [
        ("", false, Errno::ENOENT),
        ("none/x", false, Errno::ENOENT),
        (".", false, Errno::EEXIST),
        ("file", true, Errno::EEXIST),
        ("file", false, Errno::EEXIST),
        ("file/x", true, Errno::ENOTDIR),
        ("file/x/y", true, Errno::ENOTDIR),
        ("/lib/x/y", true, Errno::EACCES),
    ] {
        assert_eq!(errno(place.fs.mkdir_sync(&path(at), recursive, None)), want, "{at}");
    }
    let long = "x/".repeat(2048);
    assert_eq!(errno(place.fs.mkdir_sync(&path(&long), true, None)), Errno::ENAMETOOLONG);
    place.fs.mkdir_sync(&path(""), true, None).expect("what is above a single name is there");
}

#[test]
fn a_name_is_removed_and_not_what_it_leads_to() {
    let place = Place::new();
    place.put("file", b"kept");
    place.fs.mkdir_sync(&path("directory/inside"), true, None).unwrap();
    place.fs.symlink_sync(&path("file"), &path("link"), None).unwrap();
    place.fs.symlink_sync(&path("directory"), &path("into"), None).unwrap();
    for recursive in [false, true] {
        place.fs.symlink_sync(&path("directory"), &path("again"), None).unwrap();
        place.fs.remove_sync(&path("again"), recursive).unwrap();
    }
    place.fs.remove_sync(&path("link"), false).unwrap();
    wait(place.fs.remove_async(owned("into"), true)).unwrap();
    assert_eq!((place.get("file"), place.names("directory")), (b"kept".to_vec(), vec!["inside".to_owned()]));
    place.fs.remove_sync(&path("directory/inside"), false).unwrap();
    place.fs.rmdir_sync(&path("directory")).unwrap();
    assert_eq!(place.names("."), ["file"]);
}

#[test]
fn what_cannot_be_removed_stays() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("full/inside"), true, None).unwrap();
    place.put("file", b"");
    assert_eq!(errno(place.fs.remove_sync(&path("full"), false)), Errno::ENOTEMPTY);
    assert_eq!(errno(place.fs.rmdir_sync(&path("full"))), Errno::ENOTEMPTY);
    assert_eq!(errno(wait(place.fs.rmdir_async(owned("file")))), Errno::ENOTDIR);
    assert_eq!(errno(place.fs.remove_sync(&path("none"), true)), Errno::ENOENT);
    assert_eq!(errno(place.fs.remove_sync(&path("/lib/small"), true)), Errno::EACCES);
    assert_eq!(errno(place.fs.remove_sync(&path("/lib"), true)), Errno::EACCES);
    assert_eq!(place.names("full"), ["inside"]);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_tree_is_removed_however_wide_and_deep_it_is() {
    let place = Place::with(|limits| limits.descriptors = 8);
    place.fs.mkdir_sync(&path("tree"), false, None).unwrap();
    for at in 0..5000 {
        place.put(&format!("tree/file-{at}"), b"");
        if at % 10 == 0 {
            place.fs.mkdir_sync(&path(&format!("tree/directory-{at}/inside")), true, None).unwrap();
        }
    }
    // Deeper than any path says, and than there are descriptors.
    for _ in 0..3000 {
        place.fs.mkdir_sync(&path("next"), false, None).unwrap();
        place.put("beside", b"");
        place.fs.chdir(&path("next")).unwrap();
    }
    place.fs.chdir(&path("/home/agent")).unwrap();
    place.fs.rename_sync(&path("next"), &path("tree/deep")).unwrap();
    let before = place.session.with(|kernel| kernel.usage().inodes);
    wait(place.fs.remove_async(owned("tree"), true)).unwrap();
    assert_eq!(place.names("."), ["beside"]);
    assert_eq!(before - place.session.with(|kernel| kernel.usage().inodes), 12_000);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn links_in_a_tree_are_not_followed_and_mounts_are_not_entered() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("kept"), false, None).unwrap();
    place.put("kept/file", b"kept");
    place.fs.mkdir_sync(&path("tree/a/b"), true, None).unwrap();
    for link in ["tree/link", "tree/a/b/link"] {
        place.fs.symlink_sync(&path("/home/agent/kept"), &path(link), None).unwrap();
    }
    place.fs.remove_sync(&path("tree"), true).unwrap();
    assert_eq!(place.get("kept/file"), b"kept");
    place.fs.mkdir_sync(&path("tree/mounted"), true, None).unwrap();
    place.session.with(|kernel| {
        let mounted = Mounted::Driver(place.outside.clone());
        kernel.mount(&mut Call::new(Pid::INIT), b"/home/agent/tree/mounted", mounted, false).unwrap();
    });
    place.put("tree/mounted/file", b"outside");
    assert_eq!(errno(place.fs.remove_sync(&path("tree"), true)), Errno::EBUSY);
    assert_eq!(place.get("/mnt/file"), b"outside");
}

#[test]
fn a_tree_that_changes_under_the_removal_lets_nothing_else_be_removed() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("victim"), false, None).unwrap();
    place.put("victim/file", b"kept");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (stop, guest) = (&stop, place.guest.clone());
        // Puts a link to the victim where a directory was, in and out, as fast as it can.
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = guest.call(|kernel: &mut Kernel, call: &mut Call| {
                    kernel.rename(call, At::Cwd, b"tree/a", At::Cwd, b"bait", Replace::Exchange)
                });
                std::thread::yield_now();
            }
        });
        for _ in 0..50 {
            place.fs.mkdir_sync(&path("tree/a/b/c"), true, None).unwrap();
            for at in 0..20 {
                place.put(&format!("tree/a/b/{at}"), b"");
            }
            let _ = place.fs.symlink_sync(&path("victim"), &path("bait"), None);
            match place.fs.remove_sync(&path("tree"), true) {
                Ok(()) => {}
                Err(error) => assert_eq!(errno::<()>(Err(error)), Errno::EBUSY),
            }
            let _ = place.fs.remove_sync(&path("bait"), true);
            assert_eq!(place.get("victim/file"), b"kept");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_directory_that_is_filled_again_and_again_ends_the_removal() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("tree/inside"), true, None).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (stop, guest) = (&stop, place.guest.clone());
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = guest.call(|kernel, call| {
                    kernel.mknod(call, At::Cwd, b"tree/inside/new", FileKind::Regular, Mode::new(0o600), 0)
                });
            }
        });
        // It goes, or is given up: it does not last for ever.
        if let Err(error) = place.fs.remove_sync(&path("tree"), true) {
            assert_eq!(errno::<()>(Err(error)), Errno::EBUSY);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_long_operation_that_waits_gives_others_their_turn() {
    let place = Place::new();
    place.fs.mkdir_sync(&path("tree"), false, None).unwrap();
    for at in 0..1000 {
        place.put(&format!("tree/{at}"), b"");
    }
    let turns = wait(async {
        let removal = place.fs.remove_async(owned("tree"), true);
        tokio::pin!(removal);
        let mut turns = 0;
        loop {
            tokio::select! {
                biased;
                removed = &mut removal => break removed.map(|()| turns).unwrap(),
                () = tokio::task::yield_now() => turns += 1,
            }
        }
    });
    assert!(turns >= 20, "{turns}");
}
