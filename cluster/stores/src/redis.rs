//! What lies in a Redis.
//!
//! ```text
//! Redis (connection: one server, sentinels, a cluster)
//!   ├─ RedisStore   objects under conditional writes      {ns}:o:KEY  {ns}:names  {ns}:bytes
//!   ├─ Hot          leases, hot journals of owners        {ns}:leases  {ns}:j:SESSION  {ns}:home
//!   └─ Notices      where a session is, wakes, quotas     {ns}:d:SESSION  {ns}:q:NAME  channel {ns}:wake
//! ```
//! Every change is one Lua script, so it is atomic. All keys of a namespace have one hash tag and so are on one server, also of
//! a cluster: which Redis it is, means something only there. Two clusters of Warren share a Redis by two namespaces.
mod address;
mod connection;
mod hot;
mod link;
mod notice;
mod store;

pub use address::UrlError;
pub(crate) use address::without_password;
pub use connection::{Redis, RedisOptions, Trouble};
pub use hot::{About, Answered, Bounds, Changed, Held, Hot, HotEntry, Looked, Raised};
pub use notice::{Notices, Quota, Wakes};
pub use store::{RedisStore, RedisStoreOptions};
