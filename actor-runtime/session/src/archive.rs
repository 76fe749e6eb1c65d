//! A session's files as a tar archive, out and in.

mod pack;
mod unpack;

pub(crate) use pack::pack;
pub(crate) use unpack::unpack;
