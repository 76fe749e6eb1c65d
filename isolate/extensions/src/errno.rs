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

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.syscall, self.errno.name())
    }
}

impl std::error::Error for SystemError {}

impl JsErrorClass for SystemError {
    fn get_class(&self) -> Cow<'static, str> {
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
