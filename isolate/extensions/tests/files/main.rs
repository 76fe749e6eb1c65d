//! The kernel's files through the traits the extensions ask: what `node:fs` does, without an isolate to do it.

#[cfg(test)]
mod attributes;
#[cfg(test)]
mod copy;
#[cfg(test)]
mod names;
#[cfg(test)]
mod open_file;
#[cfg(test)]
mod system;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod whole;
#[cfg(test)]
mod world;
