//! Sessions on a folder: what was acknowledged is there again, whatever happened in between.
#![allow(clippy::unwrap_used, reason = "tests")]

mod damage;
mod full;
mod lives;
mod model;
mod once;
mod order;
mod power;
mod rot;
mod world;
