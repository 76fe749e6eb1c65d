//! What every store has to do, as tests: [`conforms`] takes a factory of empty stores, and panics at what is wrong.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use warren_storage::store::{Flush, Key, OBJECT_BYTES_MAX, PAGE_ENTRIES_MAX, PutError, Store, StoreError, Version};

/// A key.
pub fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// Makes an empty store.
pub type Factory<'a> = &'a (dyn Fn() -> Arc<dyn Store> + Sync);

/// All of it.
pub async fn conforms(new: Factory<'_>) {
    puts_and_conditions(&*new()).await;
    ranges(&*new()).await;
    odd_keys_and_order(&*new()).await;
    pages(&*new()).await;
    large_objects(&*new()).await;
    deletes(&*new()).await;
    one_creator_wins(new()).await;
    a_counter_is_exact(new()).await;
    delete_and_replace_exclude_each_other(new()).await;
    lists_see_what_stays_while_others_change(new()).await;
    a_caller_that_goes_away_leaves_a_whole_write(new()).await;
}

async fn puts_and_conditions(store: &dyn Store) {
    let named = key("t/record");
    let some = Bytes::from_static(b"one");
    assert_eq!(store.get(&named).await.unwrap(), None);
    let never = Version::new("0000000000000001");
    assert_eq!(store.put_if_match(&named, some.clone(), &never, Flush::Now).await, Err(PutError::Missing));
    let first = store.put_if_absent(&named, some.clone(), Flush::Now).await.unwrap();
    assert_eq!(store.put_if_absent(&named, some.clone(), Flush::Soon).await, Err(PutError::Conflict));
    let found = store.get(&named).await.unwrap().unwrap();
    assert_eq!((found.bytes, &found.version), (some, &first));
    let second = store.put_if_match(&named, Bytes::new(), &first, Flush::Soon).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(store.put_if_match(&named, Bytes::new(), &first, Flush::Now).await, Err(PutError::Conflict));
    let found = store.get(&named).await.unwrap().unwrap();
    assert_eq!((found.bytes, &found.version), (Bytes::new(), &second));
    // The same bytes again are another write.
    let third = store.put_if_match(&named, Bytes::new(), &second, Flush::Now).await.unwrap();
    assert_ne!(third, second);
    store.delete(&named).await.unwrap();
    assert_eq!(store.get(&named).await.unwrap(), None);
    assert_eq!(store.put_if_match(&named, Bytes::new(), &third, Flush::Now).await, Err(PutError::Missing));
    let fourth = store.put_if_absent(&named, Bytes::new(), Flush::Now).await.unwrap();
    assert!(![&first, &second, &third].contains(&&fourth), "a version is never used again");
    let stale = store.put_if_match(&named, Bytes::new(), &third, Flush::Now).await;
    assert_eq!(stale, Err(PutError::Conflict));
    assert_eq!(store.delete_if_match(&named, &third).await, Err(PutError::Conflict));
    store.delete_if_match(&named, &fourth).await.unwrap();
    assert_eq!(store.get(&named).await.unwrap(), None);
    assert_eq!(store.delete_if_match(&named, &fourth).await, Err(PutError::Missing));
}

async fn ranges(store: &dyn Store) {
    for length in [0usize, 1, 1000, 16 * 1024, 256 * 1024, 256 * 1024 + 1, 700_000] {
        let named = key(&format!("range/{length}"));
        let bytes: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
        store.put_if_absent(&named, bytes.clone(), Flush::Now).await.unwrap();
        let length = length as u64;
        for (from, to) in [
            (0, length),
            (0, u64::MAX),
            (0, 0),
            (length / 2, length / 2 + 1),
            (length / 3, length),
            (65_530, 65_540),
            (length, length + 1),
            (length + 5, u64::MAX),
            (u64::MAX, u64::MAX),
            (length / 2 + 1, length / 2),
        ] {
            let found = store.get_range(&named, from..to).await.unwrap().unwrap();
            let start = from.min(length) as usize;
            let end = (to.min(length) as usize).max(start);
            assert_eq!(found, bytes[start..end], "{from}..{to} of {length}");
        }
    }
    assert_eq!(store.get_range(&key("range/none"), 0..1).await.unwrap(), None);
}

async fn odd_keys_and_order(store: &dyn Store) {
    let long = format!("{}/{}", "x".repeat(128), "y".repeat(128));
    let mut names = vec![
        "a",
        "a-b",
        "a.b",
        "a/b",
        "a/b/c",
        "a/b-c",
        "a/b.c/d",
        "a0",
        "A",
        "Z/z",
        "_",
        "-",
        "...",
        "..a/.b",
        "lock",
        "tmp",
        "log/x",
        "a/b=".trim_end_matches('='),
        "con",
        "a/bb",
        &long,
    ];
    names.sort_unstable();
    names.dedup();
    for name in names.iter().rev() {
        store.put_if_absent(&key(name), Bytes::from(name.to_string()), Flush::Soon).await.unwrap();
    }
    for name in &names {
        assert_eq!(store.get(&key(name)).await.unwrap().unwrap().bytes, name.as_bytes(), "{name}");
    }
    for prefix in ["", "a", "a/", "a/b", "a/b/", "a/b.", "..", "../", "/", "=", "a//", "A", "nothing", "x", "a/b/c"] {
        let expected: Vec<_> = names.iter().filter(|name| name.starts_with(prefix)).collect();
        let page = store.list(prefix, None, 1000).await.unwrap();
        let found: Vec<_> = page.entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "prefix {prefix:?}");
        assert!(!page.more);
        for entry in &page.entries {
            assert_eq!(entry.bytes, entry.key.as_str().len() as u64);
        }
        for after in ["a", "a/b", "a/b/zz", "a-", "-", "zzz", "0"] {
            let after = key(after);
            let expected: Vec<_> = expected.iter().copied().filter(|name| **name > after.as_str()).collect();
            let page = store.list(prefix, Some(&after), 1000).await.unwrap();
            let found: Vec<_> = page.entries.iter().map(|entry| entry.key.as_str()).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "prefix {prefix:?} after {after}");
        }
    }
}

async fn pages(store: &dyn Store) {
    let names: Vec<_> = (0..1203).map(|number| format!("p/{}/{number:05}", number / 100)).collect();
    join_all(names.iter().map(async |name| {
        store.put_if_absent(&key(name), Bytes::new(), Flush::Soon).await.unwrap();
    }))
    .await;
    let sorted: BTreeSet<_> = names.iter().map(String::as_str).collect();
    for limit in [1usize, 7, 100, 5000] {
        let mut found = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let page = store.list("p/", after.as_ref(), limit).await.unwrap();
            assert!(page.entries.len() <= limit.min(PAGE_ENTRIES_MAX));
            after = page.entries.last().map(|entry| entry.key.clone()).or(after);
            found.extend(page.entries.into_iter().map(|entry| entry.key));
            if !page.more || (limit == 1 && found.len() == 30) {
                break;
            }
        }
        let expected: Vec<_> = sorted.iter().copied().take(found.len()).collect();
        assert_eq!(found.iter().map(Key::as_str).collect::<Vec<_>>(), expected);
        assert!(limit == 1 || found.len() == names.len());
    }
    let page = store.list("p/", None, 0).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (1, true), "a page has room for one");
}

async fn large_objects(store: &dyn Store) {
    let named = key("pack/large");
    let longest: Bytes = (0..OBJECT_BYTES_MAX).map(|at| (at >> 10) as u8).collect();
    let version = store.put_if_absent(&named, longest.clone(), Flush::Now).await.unwrap();
    assert!(store.get(&named).await.unwrap().unwrap().bytes == longest);
    let smaller = longest.slice(..5_000_000);
    let version = store.put_if_match(&named, smaller.clone(), &version, Flush::Now).await.unwrap();
    assert!(store.get(&named).await.unwrap().unwrap().bytes == smaller);
    let version = store.put_if_match(&named, Bytes::from_static(b"small"), &version, Flush::Now).await.unwrap();
    let found = store.get(&named).await.unwrap().unwrap();
    assert_eq!((found.bytes.as_ref(), found.version), (&b"small"[..], version));
    let longer = Bytes::from(vec![0; OBJECT_BYTES_MAX + 1]);
    let refused = store.put_if_absent(&key("pack/longer"), longer, Flush::Now).await.unwrap_err();
    let bytes = OBJECT_BYTES_MAX + 1;
    assert_eq!(refused, PutError::Store(StoreError::TooLarge { key: key("pack/longer"), bytes }));
    assert_eq!(store.list("pack/", None, 10).await.unwrap().entries.len(), 1);
}

async fn deletes(store: &dyn Store) {
    let named = key("d/x");
    store.delete(&named).await.unwrap();
    store.put_if_absent(&named, Bytes::new(), Flush::Now).await.unwrap();
    join_all((0..8).map(|_| store.delete(&named))).await.into_iter().for_each(|deleted| deleted.unwrap());
    assert_eq!(store.get(&named).await.unwrap(), None);
    assert!(store.list("d", None, 10).await.unwrap().entries.is_empty());
}

async fn one_creator_wins(store: Arc<dyn Store>) {
    for round in 0..20 {
        // Small and large ones meet.
        let named = key(&format!("race/{round}"));
        let racers = (0..16u8).map(|racer| {
            let (store, named) = (store.clone(), named.clone());
            tokio::spawn(async move {
                let length = if racer % 4 == 0 { 20_000 } else { 10 };
                store.put_if_absent(&named, Bytes::from(vec![racer; length]), Flush::Now).await
            })
        });
        let mut winners = Vec::new();
        for (racer, outcome) in join_all(racers).await.into_iter().enumerate() {
            match outcome.unwrap() {
                Ok(version) => winners.push((racer as u8, version)),
                Err(error) => assert_eq!(error, PutError::Conflict),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let found = store.get(&named).await.unwrap().unwrap();
        assert_eq!((found.bytes[0], &found.version), (winners[0].0, &winners[0].1));
    }
}

async fn a_counter_is_exact(store: Arc<dyn Store>) {
    let named = key("counter");
    store.put_if_absent(&named, Bytes::from_static(b"0"), Flush::Now).await.unwrap();
    let tasks = (0..8).map(|_| {
        let (store, named) = (store.clone(), named.clone());
        tokio::spawn(async move {
            for _ in 0..25 {
                loop {
                    let found = store.get(&named).await.unwrap().unwrap();
                    let next = std::str::from_utf8(&found.bytes).unwrap().parse::<u32>().unwrap() + 1;
                    match store.put_if_match(&named, next.to_string().into(), &found.version, Flush::Soon).await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error, PutError::Conflict),
                    }
                }
            }
        })
    });
    join_all(tasks).await.into_iter().for_each(|task| task.unwrap());
    assert_eq!(store.get(&named).await.unwrap().unwrap().bytes, "200");
}

async fn delete_and_replace_exclude_each_other(store: Arc<dyn Store>) {
    for round in 0..20 {
        let named = key(&format!("exclude/{round}"));
        let version = store.put_if_absent(&named, Bytes::from_static(b"old"), Flush::Now).await.unwrap();
        let (other, of) = (store.clone(), named.clone());
        let deleting = tokio::spawn(async move { other.delete(&of).await });
        let replaced = store.put_if_match(&named, Bytes::from_static(b"new"), &version, Flush::Now).await;
        deleting.await.unwrap().unwrap();
        // The deletion came after the replacement, or made it fail: either way nothing is left.
        assert!(matches!(replaced, Ok(_) | Err(PutError::Missing)), "{replaced:?}");
        assert_eq!(store.get(&named).await.unwrap(), None);
    }
}

async fn lists_see_what_stays_while_others_change(store: Arc<dyn Store>) {
    for number in 0..50 {
        store.put_if_absent(&key(&format!("l/{number:02}/stays")), Bytes::new(), Flush::Soon).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let changing = {
        let (store, stop) = (store.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                for number in 0..50 {
                    let named = key(&format!("l/{number:02}/changes"));
                    store.put_if_absent(&named, Bytes::new(), Flush::Soon).await.unwrap();
                    let found = store.get(&key(&format!("l/{number:02}/stays"))).await.unwrap().unwrap();
                    let stays = key(&format!("l/{number:02}/stays"));
                    store.put_if_match(&stays, Bytes::new(), &found.version, Flush::Soon).await.unwrap();
                    store.delete(&named).await.unwrap();
                }
            }
        })
    };
    for _ in 0..20 {
        let mut found = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let page = store.list("l/", after.as_ref(), 9).await.unwrap();
            after = page.entries.last().map(|entry| entry.key.clone()).or(after);
            found.extend(page.entries.into_iter().map(|entry| entry.key));
            if !page.more {
                break;
            }
        }
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "in order, and none twice");
        assert_eq!(found.iter().filter(|key| key.as_str().ends_with("stays")).count(), 50);
    }
    stop.store(true, Ordering::Relaxed);
    changing.await.unwrap();
}

async fn a_caller_that_goes_away_leaves_a_whole_write(store: Arc<dyn Store>) {
    for round in 0..30 {
        let named = key(&format!("away/{round}"));
        let length = if round % 2 == 0 { 100 } else { 100_000 };
        let (other, of) = (store.clone(), named.clone());
        let putting =
            tokio::spawn(async move { other.put_if_absent(&of, Bytes::from(vec![1; length]), Flush::Now).await });
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        putting.abort();
        let _ = putting.await;
        // It happened or it did not; the key is usable either way.
        let outcome = store.put_if_absent(&named, Bytes::from(vec![2; length]), Flush::Now).await;
        let found = store.get(&named).await.unwrap().unwrap();
        assert_eq!(found.bytes, vec![if outcome.is_ok() { 2 } else { 1 }; length]);
    }
}
