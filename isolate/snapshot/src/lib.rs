//! The heap every JavaScript guest begins with, made when this is built: Node's modules, run up to where a program would
//! begin. Built for the very engine and extensions it is linked with.

/// The snapshot.
pub static SNAPSHOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/snapshot.bin"));

include!(concat!(env!("OUT_DIR"), "/later.rs"));
