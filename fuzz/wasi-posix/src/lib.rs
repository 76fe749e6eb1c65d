//! What the fuzz targets of guests and software share: how an input becomes a package, and how it becomes the calls of
//! a guest.

pub mod guest;
pub mod package;
pub mod program;
pub mod sample;
