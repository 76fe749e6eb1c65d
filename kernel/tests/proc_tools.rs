//! `/proc` as tools read it: through the parsers of a library, and by this machine's own ps, top, free and lsof.

#[cfg(test)]
mod common;

#[cfg(test)]
#[path = "proc_tools/network.rs"]
mod network;
#[cfg(test)]
#[path = "proc_tools/parsers.rs"]
mod parsers;
#[cfg(test)]
#[path = "proc_tools/programs.rs"]
mod programs;
#[cfg(test)]
#[path = "proc_tools/scene.rs"]
mod scene;
