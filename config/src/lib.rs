//! What is decided outside the code: the configuration of a server, and the software that is pinned.
//!
//! ```text
//! defaults < config.toml < WARREN_SECTION__KEY < flags ──figment──▶ Loaded { config, where each value came from }
//! ```
//! Read in this order. [`settings`] is the table of everything that can be set; a [`template`] says what sessions are made
//! of; [`load`] finds the sources, and refuses what they say wrongly, all of it at once; a [`value`] is a size or a time as
//! people write them; [`pins`] lists the packages this binary knows.
#![forbid(unsafe_code)]

pub mod load;
pub mod pins;
pub mod schema;
pub mod settings;
pub mod template;
pub mod value;

pub use load::{ConfigError, Loaded, Problem, Sources};
pub use pins::{Pin, PinKind, SOFTWARE_TOML, SoftwarePins, SoftwarePinsError, parse_software, software};
pub use settings::Config;
pub use template::Template;
