//! What a session, or whoever speaks for it, may try to get out.

use super::*;

#[test]
fn no_request_takes_a_path_that_is_not_plain() {
    let fixture = Fixture::new();
    fixture.dir("directory");
    fixture.file("here", b"");
    for path in [
        "..",
        ".",
        "/",
        "/etc/passwd",
        "../outside/secret",
        "directory/..",
        "directory/../../outside/secret",
        "directory/../here",
        "./here",
        "here/.",
        "here/",
        "//here",
        "directory//here",
        "directory/",
        "here\0",
        "\0",
        "directory/\0/x",
        "../inside/here",
    ] {
        for request in requests_on(&at(path)) {
            assert_eq!(fixture.perform(request.clone()), Err(Errno::EACCES), "{request:?}");
        }
    }
    assert_eq!(fixture.list("").unwrap().len(), 2);
    fixture.secret_is_untouched();
}

/// The kernel never asks for what is behind a link; a hostile caller may.
#[test]
fn no_request_passes_through_a_link() {
    let fixture = Fixture::new();
    fixture.file("here", b"");
    fixture.dir("directory");
    fixture.symlink(fixture.outside(""), "absolute");
    fixture.symlink("../outside", "relative");
    fixture.symlink("..", "up");
    fixture.symlink("/", "top");
    fixture.symlink("/proc/self/root", "magic");
    fixture.symlink("/proc/self/cwd", "cwd");
    fixture.symlink("relative", "chain");
    fixture.symlink("chain", "longer");
    fixture.symlink("directory", "within");
    fixture.symlink("self", "self");
    for link in ["absolute", "relative", "up", "top", "magic", "cwd", "chain", "longer", "within", "self"] {
        for rest in ["secret", "outside/secret", "etc/passwd", "new"] {
            for request in requests_on(&at(&format!("{link}/{rest}"))) {
                assert_eq!(fixture.perform(request.clone()), Err(Errno::EACCES), "{request:?}");
            }
        }
        assert_eq!(fixture.stat(link).unwrap().kind, FileKind::Symlink);
    }
    assert_eq!(fixture.list("directory"), Ok(Vec::new()));
    fixture.secret_is_untouched();
}

/// With a link as the last name, each request is about the link or refused.
#[test]
fn no_request_follows_a_link_it_names() {
    for target in ["../outside/secret", "/etc/passwd", "../outside/new", "/proc/self/exe", "/proc/self/fd/0"] {
        for index in 0..requests_on(&at("link")).len() {
            let fixture = Fixture::new();
            fixture.file("here", b"");
            fixture.symlink(target, "link");
            let passwd = std::fs::metadata("/etc/passwd").unwrap();
            let request = requests_on(&at("link")).swap_remove(index);
            let answer = fixture.perform(request.clone());
            let allowed = match &request {
                FsRequest::Stat(_) => matches!(&answer, Ok(FsAnswer::Stat(stat)) if stat.kind == FileKind::Symlink),
                FsRequest::ReadLink(_) => answer == Ok(FsAnswer::Target(target.as_bytes().into())),
                FsRequest::Unlink(_) | FsRequest::Rename(_, _, true) => answer == Ok(FsAnswer::Done),
                FsRequest::SetAttributes(_, set) if set.mode.is_none() && set.len.is_none() => {
                    answer == Ok(FsAnswer::Done)
                }
                _ => answer.is_err(),
            };
            assert!(allowed, "{request:?}: {answer:?}");
            fixture.secret_is_untouched();
            let after = std::fs::metadata("/etc/passwd").unwrap();
            assert_eq!(
                (after.mode(), after.size(), after.nlink(), after.mtime()),
                (passwd.mode(), passwd.size(), passwd.nlink(), passwd.mtime())
            );
        }
    }
}

/// What the host itself linked into the directory is a file of the directory.
#[test]
fn a_hard_link_is_a_file_like_any_other() {
    let fixture = Fixture::new();
    std::fs::hard_link(fixture.outside("secret"), fixture.inside("given")).unwrap();
    let handle = fixture.open("given", READ).unwrap();
    assert_eq!(handle.0.read_at(0, 100).unwrap(), SECRET);
    assert_eq!(fixture.stat("given").unwrap().links, 2);
    fixture.unlink("given").unwrap();
    fixture.secret_is_untouched();
}

/// The root of the host has a /proc with magic links and this process's memory, and device nodes: all of it on other
/// mounts.
#[test]
fn other_mounts_are_not_entered() {
    let host = HostDirectory::open("/", Options { read_only: true, owner: OWNER }).unwrap();
    assert!(matches!(host.perform(&FsRequest::Stat(at("etc/passwd"))), Ok(FsAnswer::Stat(_))));
    for path in
        ["proc", "proc/self", "proc/self/root", "proc/self/root/etc/passwd", "proc/self/mem", "proc/self/environ"]
    {
        for request in requests_on(&at(path)).into_iter().take(4) {
            assert_eq!(host.perform(&request), Err(Errno::EACCES), "{request:?}");
        }
    }
    let Ok(FsAnswer::Names(names)) = host.perform(&FsRequest::List(at(""))) else { panic!() };
    assert!(names.iter().any(|(name, _, kind)| (&**name, *kind) == (b"proc", FileKind::Directory)), "it is listed");
}

#[test]
fn a_proc_is_not_shown_at_all() {
    let open = |path: &str| HostDirectory::open(path, Options { read_only: true, owner: OWNER });
    for path in ["/proc", "/proc/self/", "/proc/self/task", "/proc/1"] {
        assert!(matches!(open(path), Err(OpenError::IsProc { .. })), "{path}");
    }
    assert!(open("/proc/self/root").is_ok(), "leads out of /proc, as the operator asked");
}

/// Mounts made after the driver was opened, a file system of its own and a bind mount of the same one.
#[test]
fn mounts_inside_are_refused_and_not_removed() {
    let fixture = Fixture::new();
    fixture.file("here", b"");
    for name in ["tmpfs", "bind"] {
        fixture.dir(name);
    }
    let mounted = Mounted::new(&["-t", "tmpfs", "none"], fixture.inside("tmpfs"))
        .zip(Mounted::new(&["--bind", fixture.outside("").to_str().unwrap()], fixture.inside("bind")));
    let Some(_mounted) = mounted else {
        // A container without CAP_SYS_ADMIN cannot mount; `other_mounts_are_not_entered` runs there too.
        return;
    };
    for name in ["tmpfs", "bind"] {
        for path in [name.to_owned(), format!("{name}/secret"), format!("{name}/new")] {
            for request in requests_on(&at(&path)) {
                let answer = fixture.perform(request.clone());
                assert!(answer.is_err(), "{request:?}: {answer:?}");
            }
        }
        assert_eq!(fixture.stat(name), Err(Errno::EACCES));
        assert_eq!(fixture.list(name), Err(Errno::EACCES));
        assert_eq!(fixture.rmdir(name), Err(Errno::EBUSY));
        assert_eq!(fixture.rename(name, "moved", true), Err(Errno::EBUSY));
    }
    assert_eq!(fixture.list("").unwrap().len(), 3);
    fixture.secret_is_untouched();
}

/// A mount for as long as a test runs.
struct Mounted(PathBuf);

impl Mounted {
    fn new(what: &[&str], at: PathBuf) -> Option<Mounted> {
        let status = std::process::Command::new("mount").args(what).arg(&at).status();
        status.is_ok_and(|status| status.success()).then_some(Mounted(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
