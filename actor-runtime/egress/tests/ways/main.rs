//! Ways out against real servers on this machine's loopback.

mod attacks;
mod carried;
mod world;
