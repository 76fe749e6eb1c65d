//! The kernel's errors as the JavaScript side's: the same Linux numbers, which the extensions turn into `ENOENT` and the
//! like.

use deno_error::{AdditionalProperties, JsErrorClass, PropertyValue};
use deno_io::fs::FsError;
use std::borrow::Cow;
use std::{fmt, io};
use warren_kernel::Errno;

/// As Rust's library and the module resolver have it.
pub fn io_error(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(i32::from(errno.number()))
}

/// As a file operation of the extensions has it.
pub fn fs_error(errno: Errno) -> FsError {
    FsError::Io(io_error(errno))
}

/// An error as Node's scripts know it: with its name as `code`, and its number, negative, as `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemError {
    /// What went wrong.
    pub errno: Errno,
    /// In what: Node's name of the call.
    pub syscall: &'static str,
}

impl SystemError {
    /// For errors of this call.
    pub fn of(syscall: &'static str) -> impl Fn(Errno) -> SystemError {
        move |errno| SystemError { errno, syscall }
    }
}

/// An error of a file operation as Node's scripts know it: `EBADF: bad file descriptor, read`, with `errno`, `code`, `syscall` and
/// the path, if it was about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    errno: Errno,
    syscall: &'static str,
    path: Option<String>,
}

impl FileError {
    /// For errors of this call.
    pub fn of(syscall: &'static str) -> impl Fn(Errno) -> FileError + Copy {
        move |errno| FileError { errno, syscall, path: None }
    }

    /// Of a call about a path.
    pub fn at(syscall: &'static str, path: &str, errno: Errno) -> FileError {
        FileError::of(syscall)(errno).with_path(path)
    }

    /// The same about a path.
    #[must_use]
    pub fn with_path(self, path: &str) -> FileError {
        FileError { path: Some(path.to_owned()), ..self }
    }
}

/// What libuv says of an error: the C library's words in small letters, and some of its own.
fn words(errno: Errno) -> Cow<'static, str> {
    Cow::Borrowed(match errno {
        Errno::EBUSY => "resource busy or locked",
        Errno::EEXIST => "file already exists",
        Errno::EIO => "i/o error",
        Errno::EISDIR => "illegal operation on a directory",
        Errno::ELOOP => "too many symbolic links encountered",
        Errno::ENAMETOOLONG => "name too long",
        Errno::ENFILE => "file table overflow",
        Errno::ENOMEM => "not enough memory",
        Errno::EROFS => "read-only file system",
        Errno::ESPIPE => "invalid seek",
        Errno::ETXTBSY => "text file is busy",
        Errno::EXDEV => "cross-device link not permitted",
        _ => return errno.text().to_ascii_lowercase().into(),
    })
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, {}", self.errno.name(), words(self.errno), self.syscall)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, " '{path}'"))
    }
}

impl std::error::Error for FileError {}

impl JsErrorClass for FileError {
    fn get_class(&self) -> Cow<'static, str> {
        deno_error::builtin_classes::GENERIC_ERROR.into()
    }

    fn get_message(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn get_additional_properties(&self) -> AdditionalProperties {
        let number = -f64::from(self.errno.number());
        let path = self.path.clone().map(|path| (Cow::Borrowed("path"), PropertyValue::String(path.into())));
        let all = [
            (Cow::Borrowed("errno"), PropertyValue::Number(number)),
            (Cow::Borrowed("code"), PropertyValue::String(self.errno.name().into())),
            (Cow::Borrowed("syscall"), PropertyValue::String(self.syscall.into())),
        ];
        Box::new(all.into_iter().chain(path))
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.syscall, self.errno.name())
    }
}

impl std::error::Error for SystemError {}

impl JsErrorClass for SystemError {
    fn get_class(&self) -> Cow<'static, str> {
        // Of a wrong argument the kernel tells as of anything else.
        if self.errno == Errno::EINVAL {
            return deno_error::builtin_classes::GENERIC_ERROR.into();
        }
        io_error(self.errno).get_class()
    }

    fn get_message(&self) -> Cow<'static, str> {
        self.to_string().into()
    }

    fn get_additional_properties(&self) -> AdditionalProperties {
        let errno = -f64::from(self.errno.number());
        Box::new(
            [
                (Cow::Borrowed("code"), PropertyValue::String(self.errno.name().into())),
                (Cow::Borrowed("errno"), PropertyValue::Number(errno)),
                (Cow::Borrowed("syscall"), PropertyValue::String(self.syscall.into())),
            ]
            .into_iter(),
        )
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}
