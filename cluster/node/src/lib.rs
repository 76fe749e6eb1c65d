//! A process of a cluster: runs the decisions of ownership on real parts, for the sessions of a keeper.
//!
//! ```text
//! session ─▶ Keeper ─▶ ownership ─▶ State { Node: decisions; bytes they speak of } ─▶ effects ─┬▶ bucket
//!                                     ▲                                                        ├▶ Redis
//!                                     └── events: what each effect came to, or its time limit ─┴▶ local log
//! ```
//! Read in this order. A [`clock`] is the one time decisions are made by. The [`state`] holds the decisions of
//! `warren_ownership::node::Node` and the bytes that it knows by numbers; [`effects`] carries out what it wants: on the
//! [`bucket`], in the [`hot`] journal, in the [`local`] log. [`ours`] is how a keeper sees it, the [`directory`] how a gateway
//! does, and a [`node`] puts it together.
//!
//! One lock, the state's: held for one event and its effects, never across a wait. Every effect runs in a task of its own with
//! a time limit of its own.
#![forbid(unsafe_code)]

mod clock;

mod state;

mod bucket;
mod effects;
mod hot;
mod local;

mod ours;

mod directory;

mod node;

pub use directory::Place;
pub use node::{ClusterNode, NodeOptions, OpenError};
