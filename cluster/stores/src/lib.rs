//! What a cluster keeps its sessions in: a bucket that speaks S3, a Redis, and a probe that says whether either can be trusted.
//!
//! ```text
//! Store ── S3Store ─── aws-sdk-s3 ── http ── a bucket          what nobody acknowledged away is there; safety rests on it
//!       ── RedisStore ─┬─ connection ── one Redis, sentinel,   small clusters without a bucket; weaker
//! leases, journals ─ Hot                a cluster              fast, and may be lost
//! ```
//! Read in this order. A [`retry`] says how often and how long something is tried; [`s3`] is the store in a bucket; [`redis`]
//! has what lies in one: a store, and the leases, hints and journals of owners; [`probe`] asks any store what it cannot prove
//! by documents.
#![forbid(unsafe_code)]

pub mod retry;

pub mod s3;

pub mod redis;

pub mod probe;

mod random;
