//! A [`PMap`] as serde sees it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::PMap;

/// As a sequence of pairs in key order. Sharing between maps is not kept.
impl<K: Serialize, V: Serialize> Serialize for PMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

/// Trusts nothing: keys out of order and keys twice are errors, and memory grows with the entries read, whatever
/// length the input claims.
impl<'de, K, V> Deserialize<'de> for PMap<K, V>
where
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    type Value = PMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of key and value pairs in key order")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = PMap::new();
        while let Some((key, value)) = entries.next_element::<(K, V)>()? {
            if let Some((last, _)) = map.last_key_value()
                && *last >= key
            {
                let what = if *last == key { "repeats" } else { "is below" };
                let at = map.len();
                return Err(A::Error::custom(format_args!("the key of entry {at} {what} the key before it")));
            }
            map.insert(key, value);
        }
        Ok(map)
    }
}
