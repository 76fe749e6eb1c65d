//! What is read and said before and after a program, on its process's descriptors.

use crate::command::CommandLine;
use std::path::Path;
use warren_isolate_extensions::guest::Guest;
use warren_kernel::id::Fd;

/// The largest script on standard input.
const INPUT_BYTES_MAX: usize = 64 << 20;
/// The largest file of `--env-file`.
const ENV_FILE_BYTES_MAX: usize = 1 << 20;

/// The texts of `--env-file`.
pub(crate) fn env_files(guest: &Guest, line: &CommandLine) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    let cwd = cwd(guest);
    for (name, required) in &line.env_files {
        let path = Path::new(&cwd).join(name);
        let path = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
        match guest.call(|kernel, call| kernel.read_file(call, path, ENV_FILE_BYTES_MAX)) {
            Ok(bytes) => texts.push(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) if *required => return Err(format!("{name}: not found")),
            Err(_) => {}
        }
    }
    Ok(texts)
}

pub(crate) fn cwd(guest: &Guest) -> String {
    let cwd = guest.with(|kernel, call| kernel.process(call.pid).ok().and_then(|process| kernel.path_of(&process.cwd)));
    cwd.and_then(|path| String::from_utf8(path).ok()).unwrap_or_else(|| "/".to_owned())
}

pub(crate) fn read_input(guest: &Guest) -> String {
    let mut text = Vec::new();
    while text.len() < INPUT_BYTES_MAX {
        let read = guest
            .call(|kernel, call| kernel.read(call, Fd::STDIN, 64 * 1024, &mut |bytes| text.extend_from_slice(bytes)));
        if !matches!(read, Ok(1..)) {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

pub(crate) fn say(guest: &Guest, text: &str) {
    print(guest, Fd::STDERR, text);
}

pub(crate) fn print(guest: &Guest, fd: Fd, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match guest.call(|kernel, call| kernel.write(call, fd, &[rest])) {
            Ok(written) => rest = &rest[written..],
            Err(_) => return,
        }
    }
}
