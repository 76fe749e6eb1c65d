//! What the module resolver asks, the environment, and the numbers of failures.

use crate::world::{HOME, Place, path, pattern};
use deno_fs::FileSystem;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use sys_traits::{
    EnvCurrentDir, EnvHomeDir, EnvVar, FileType, FsCanonicalize, FsDirEntry, FsFileAsRaw, FsFileIsTerminal, FsFileLock,
    FsFileLockMode, FsFileMetadata, FsFileSetLen, FsFileSetPermissions, FsFileSetTimes, FsFileSyncAll, FsFileSyncData,
    FsFileTimes, FsMetadata, FsMetadataValue, FsOpen, FsRead, FsReadDir, OpenOptions,
};
use warren_isolate_extensions::errno::{fs_error, io_error};
use warren_isolate_extensions::sys::{Environment, KernelSys};
use warren_kernel::Errno;
use warren_kernel::process::ExitStatus;
use warren_kernel::vfs::open::At;

fn system(place: &Place) -> KernelSys {
    KernelSys::new(place.guest.clone(), Environment::of(&place.guest))
}

#[test]
fn the_resolver_sees_the_session_s_files() {
    let place = Place::new();
    let sys = system(&place);
    place.put("package.json", b"{}");
    assert_eq!(sys.env_current_dir().unwrap(), PathBuf::from(HOME));
    assert_eq!(sys.fs_canonicalize("./package.json").unwrap(), Path::new(HOME).join("package.json"));
    assert_eq!(sys.fs_read_to_string("package.json").unwrap(), "{}");
    assert!(sys.fs_is_file_no_err("package.json") && sys.fs_is_dir_no_err("/lib") && sys.fs_exists_no_err("."));
    place.fs.symlink_sync(&path("none"), &path("dangling"), None).unwrap();
    assert!(!sys.fs_exists("none").unwrap() && !sys.fs_exists("dangling").unwrap());
    assert!(sys.fs_is_symlink_no_err("dangling") && sys.fs_exists("package.json/x").is_err());
    assert_eq!(sys.fs_metadata("package.json").unwrap().len(), 2);
    assert_eq!(sys.fs_read("none").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(sys.fs_metadata("package.json/x").unwrap_err().kind(), ErrorKind::NotADirectory);
    let entries: Vec<_> = sys.fs_read_dir("/lib").unwrap().map(|entry| entry.unwrap()).collect();
    let mut names: Vec<_> = entries.iter().map(|entry| entry.path().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["/lib/large", "/lib/secret", "/lib/small"].map(PathBuf::from));
    let small = entries.iter().find(|entry| &*entry.file_name() == OsStr::new("small")).unwrap();
    assert_eq!((small.file_type().unwrap(), small.metadata().unwrap().len()), (FileType::File, 5));
    assert!(sys.fs_read_dir("package.json").is_err());
}

#[test]
fn an_opened_file_is_as_one_of_the_standard_library() {
    let place = Place::new();
    let sys = system(&place);
    let mut options = OpenOptions::new_write();
    options.read();
    let mut file = sys.fs_open("file", &options).unwrap();
    file.write_all(&pattern(100_000)).unwrap();
    file.flush().unwrap();
    assert_eq!(file.seek(SeekFrom::Start(99_990)).unwrap(), 99_990);
    let mut rest = Vec::new();
    assert_eq!(file.read_to_end(&mut rest).unwrap(), 10);
    assert_eq!(rest, &pattern(100_000)[99_990..]);
    assert_eq!(file.seek(SeekFrom::Start(u64::MAX)).unwrap_err().raw_os_error(), Some(22));
    file.fs_file_set_len(3).unwrap();
    file.fs_file_set_permissions(0o600).unwrap();
    let mut times = FsFileTimes::new();
    times.modified(UNIX_EPOCH - Duration::from_millis(1500));
    file.fs_file_set_times(times).unwrap();
    file.fs_file_sync_all().unwrap();
    file.fs_file_sync_data().unwrap();
    let metadata = file.fs_file_metadata().unwrap();
    assert_eq!((metadata.len(), metadata.mode().unwrap()), (3, 0o100_600));
    assert_eq!(metadata.modified().unwrap(), UNIX_EPOCH - Duration::from_millis(1500));
    let mut other = sys.fs_open("file", &OpenOptions::new_read()).unwrap();
    file.fs_file_lock(FsFileLockMode::Exclusive).unwrap();
    assert_eq!(other.fs_file_try_lock(FsFileLockMode::Shared).unwrap_err().kind(), ErrorKind::WouldBlock);
    file.fs_file_unlock().unwrap();
    other.fs_file_try_lock(FsFileLockMode::Shared).unwrap();
    assert!(!file.fs_file_is_terminal() && file.fs_file_as_raw_fd().is_none());
    assert_eq!(sys.fs_open("none", &OpenOptions::new_read()).unwrap_err().kind(), ErrorKind::NotFound);
    drop((file, other));
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn the_environment_is_the_process_s_and_all_see_it() {
    let place = Place::new();
    let environment = Environment::of(&place.guest);
    let sys = KernelSys::new(place.guest, environment.clone());
    assert_eq!(environment.get(b"PATH").unwrap(), b"/bin"); // The first of two.
    assert_eq!(environment.get(b"EMPTY").unwrap(), b"");
    assert_eq!(sys.env_home_dir().unwrap(), PathBuf::from(HOME));
    environment.set(b"NEW", b"a=b").unwrap();
    assert_eq!(sys.env_var_os("NEW").unwrap(), OsStr::new("a=b"));
    sys.environment().remove(b"EMPTY");
    sys.environment().remove(b"none");
    let names: Vec<_> = environment.all().into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect();
    assert_eq!(names, ["HOME", "NEW", "PATH"]);
    let strings: Vec<_> = environment.strings().iter().map(|entry| entry.to_vec()).collect();
    assert_eq!(strings, [&b"HOME=/home/agent"[..], b"NEW=a=b", b"PATH=/bin"]);
    for (name, value) in [(&b""[..], &b"x"[..]), (b"A=B", b"x"), (b"A\0", b"x"), (b"A", b"x\0")] {
        assert_eq!(environment.set(name, value), Err(Errno::EINVAL));
    }
}

#[test]
fn the_environment_holds_what_a_program_could_be_started_with() {
    let place = Place::with(|limits| limits.argument_bytes = 200);
    let environment = Environment::of(&place.guest);
    for (name, _) in environment.all() {
        environment.remove(&name);
    }
    environment.set(b"A", &[b'x'; 189]).unwrap();
    assert_eq!(environment.set(b"A", &[b'y'; 190]), Err(Errno::E2BIG));
    assert_eq!(environment.set(b"B", b""), Err(Errno::E2BIG));
    assert_eq!(environment.get(b"A").unwrap(), [b'x'; 189]);
    environment.set(b"A", b"").unwrap();
    environment.set(b"B", b"").unwrap();
}

#[test]
fn failures_have_linux_s_numbers() {
    for errno in Errno::ALL {
        assert_eq!(io_error(*errno).raw_os_error(), Some(i32::from(errno.number())), "{errno}");
        assert_eq!(fs_error(*errno).into_io_error().raw_os_error(), Some(i32::from(errno.number())), "{errno}");
    }
    assert_eq!(fs_error(Errno::ENOENT).kind(), ErrorKind::NotFound);
    assert_eq!(fs_error(Errno::EEXIST).kind(), ErrorKind::AlreadyExists);
}

#[test]
fn the_calls_of_a_guest_that_is_over_are_nobody_s() {
    let place = Place::new();
    place.put("mine", b"text");
    let file = place.open("mine", deno_fs::OpenOptions::read());
    assert_eq!(place.descriptors(), 1);
    let used = Duration::from_millis(5);
    place.guest.exit(ExitStatus::Exited(3), used);
    place.guest.exit(ExitStatus::Exited(4), used);
    place.guest.charge(used);
    let ended = place.session.with(|kernel| kernel.collect(place.guest.pid()));
    assert_eq!(ended.unwrap(), (ExitStatus::Exited(3), used), "told once, with what it had used by then");
    assert_eq!(place.session.with(|kernel| kernel.cpu_used()), 2 * used, "the session is charged for what came after");
    // Another process may have its number now; its files are not this one's.
    assert_eq!(place.guest.call(|kernel, call| kernel.chdir(call, At::Cwd, b"/")).err(), Some(Errno::ESRCH));
    assert!(file.read_sync(&mut [0; 4]).is_err());
}
