//! Answers that are not what they seem, requests that arrive late, and how many there are.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use servers::{double, hasty, open, options};
use std::time::Duration;
use warren_s3_double::Script;
use warren_s3_double::faults::{Chance, Fault, Operation};
use warren_s3_double::objects::Condition;
use warren_storage::store::{Flush, Key, PutError, Store, StoreError};
use warren_stores::retry::Limits;
use warren_stores::s3::S3Options;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn one() -> Bytes {
    Bytes::from_static(b"one")
}

fn reason(error: impl Into<PutError>) -> String {
    match error.into() {
        PutError::Store(StoreError::Unavailable { reason }) => reason,
        other => panic!("{other:?} is another error"),
    }
}

fn always(fault: Fault) -> Script {
    Script::new(1, vec![Chance { per_mille: 1000, fault }])
}

fn brief(endpoint: &str) -> S3Options {
    let limits =
        Limits { attempt: Duration::from_millis(400), deadline: Duration::from_millis(900), ..Limits::default() };
    S3Options { limits, ..options(endpoint) }
}

/// Only S3 says that an object is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_says_404_says_nothing_of_objects() {
    let double = double().await;
    let store = open(hasty(&double.endpoint())).await;
    let version = store.put_if_absent(&key("a"), one(), Flush::Now).await.unwrap();
    for operation in [Operation::Read, Operation::Write, Operation::Delete] {
        double.script().once(Some(operation), Fault::Page);
        match operation {
            Operation::Read => assert!(store.get(&key("a")).await.unwrap().is_some()),
            Operation::Write => drop(store.put_if_match(&key("a"), one(), &version, Flush::Now).await.unwrap()),
            _ => store.delete(&key("a")).await.unwrap(),
        }
        assert_eq!(double.script().waiting(), 0);
    }
    let version = store.put_if_absent(&key("a"), one(), Flush::Now).await.unwrap();
    let brief = open(brief(&double.endpoint())).await;
    *double.script() = always(Fault::Page);
    let told = reason(brief.get(&key("a")).await.unwrap_err());
    assert!(told.contains("404"), "{told}");
    reason(brief.delete(&key("a")).await.unwrap_err());
    let told = reason(brief.put_if_match(&key("a"), one(), &version, Flush::Now).await.unwrap_err());
    assert!(told.contains("whether it was written is not known"), "{told}");
}

/// An upload is completed with 200, and then an error: it may be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_an_answer_of_200_is_no_final_no() {
    let double = double().await;
    let store = open(S3Options { multipart_bytes: 0, ..hasty(&double.endpoint()) }).await;
    double.script().once(Some(Operation::Complete), Fault::ErrorInside);
    store.put_if_absent(&key("a"), one(), Flush::Now).await.unwrap();
    assert_eq!(double.script().waiting(), 0);
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().bytes, one());
    let store = open(S3Options { multipart_bytes: 0, ..brief(&double.endpoint()) }).await;
    *double.script() = always(Fault::ErrorInside);
    let told = reason(store.put_if_absent(&key("b"), one(), Flush::Now).await.unwrap_err());
    assert!(told.contains("200") && told.contains("whether it was written is not known"), "{told}");
}

/// Bytes of another range are not told as those of this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_what_was_asked_for() {
    let double = double().await;
    let store = open(hasty(&double.endpoint())).await;
    let bytes: Bytes = (0..20).collect();
    store.put_if_absent(&key("a"), bytes.clone(), Flush::Now).await.unwrap();
    for fault in [Fault::Whole, Fault::Shifted] {
        double.script().once(Some(Operation::Read), fault);
        let told = reason(store.get_range(&key("a"), 10..100).await.unwrap_err());
        assert!(told.contains("range") && told.contains("use another"), "{fault:?}: {told}");
        assert_eq!(double.script().waiting(), 0);
    }
    assert_eq!(store.get_range(&key("a"), 10..100).await.unwrap().unwrap(), bytes.slice(10..));
}

/// A try that was given up arrives later: its condition makes it harmless.
#[tokio::test(flavor = "multi_thread")]
async fn a_try_that_arrives_late_changes_nothing() {
    let double = double().await;
    let store = open(hasty(&double.endpoint())).await;
    let changes = async |many: usize| {
        for _ in 0..600 {
            if double.objects().changes("bucket") + double.objects().refused("bucket") >= many {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the late try did not arrive");
    };
    let first = store.put_if_absent(&key("a"), one(), Flush::Now).await.unwrap();
    double.script().once(Some(Operation::Write), Fault::Slow(Duration::from_secs(2)));
    let second = store.put_if_match(&key("a"), Bytes::from_static(b"two"), &first, Flush::Now).await.unwrap();
    let third = store.put_if_match(&key("a"), Bytes::from_static(b"three"), &second, Flush::Now).await.unwrap();
    // The create, two replaces, and what arrives late and is refused.
    changes(4).await;
    assert_eq!(double.objects().refused("bucket"), 1);
    let found = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((found.bytes, found.version), (Bytes::from_static(b"three"), third.clone()));
    // But for a create after which the object was removed: it comes back.
    store.delete_if_match(&key("a"), &third).await.unwrap();
    double.script().once(Some(Operation::Write), Fault::Slow(Duration::from_secs(2)));
    let again = store.put_if_absent(&key("a"), one(), Flush::Now).await.unwrap();
    store.delete_if_match(&key("a"), &again).await.unwrap();
    changes(8).await;
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().bytes, one());
}

/// A part has the time that its bytes take; what was put is what is counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_has_time_for_its_bytes() {
    let double = double().await;
    let limits = Limits { attempt: Duration::from_millis(300), deadline: Duration::from_secs(5), bytes_per_s: 2 << 20 };
    let in_parts = S3Options { limits, multipart_bytes: 5 << 20, part_bytes: 5 << 20, ..options(&double.endpoint()) };
    let store = open(in_parts).await;
    let writes = || double.script().asked(Operation::Write);
    store.put_if_absent(&key("small"), Bytes::from(vec![7; 5 << 20]), Flush::Now).await.unwrap();
    assert_eq!(writes(), 1, "no more was put than goes whole");
    double.script().once(Some(Operation::Write), Fault::Slow(Duration::ZERO));
    double.script().once(Some(Operation::Write), Fault::Slow(Duration::from_millis(1500)));
    store.put_if_absent(&key("large"), Bytes::from(vec![7; (10 << 20) - 48]), Flush::Now).await.unwrap();
    assert_eq!(writes(), 1 + 4, "a begin, two parts, an end: nothing was tried again");
}

/// Parts beside each other are calls on their way: there are no more than there may be, and nobody waits for himself.
#[tokio::test(flavor = "multi_thread")]
async fn parts_take_turns() {
    let double = double().await;
    let store =
        open(S3Options { multipart_bytes: 0, part_bytes: 5 << 20, calls_max: 2, ..options(&double.endpoint()) }).await;
    let large = Bytes::from(vec![7; 21 << 20]);
    *double.script() = always(Fault::Slow(Duration::from_millis(100)));
    let puts = (0..3).map(|number| {
        let (store, large) = (store.clone(), large.clone());
        async move { store.put_if_absent(&key(&format!("o/{number}")), large, Flush::Now).await }
    });
    for done in futures_util::future::join_all(puts).await {
        done.unwrap();
    }
    assert!(double.most_at_once() <= 2, "{} at once", double.most_at_once());
}

/// Many objects of others are passed over, and a list ends when its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_passes_over_what_is_not_ours() {
    let double = double().await;
    let options = options(&double.endpoint());
    let prefix = options.prefix.clone();
    let store = open(S3Options { ..options.clone() }).await;
    for number in 0..3000 {
        let name = format!("{prefix}odd key {number:04}");
        double.objects().put("bucket", &name, Bytes::from(vec![0; 100]), &Condition::None).await.unwrap();
    }
    store.put_if_absent(&key("zz"), one(), Flush::Now).await.unwrap();
    let before = double.script().asked(Operation::List);
    let page = store.list("", None, 1).await.unwrap();
    assert_eq!((page.entries[0].key.clone(), page.more), (key("zz"), false));
    let asked = double.script().asked(Operation::List) - before;
    assert!(asked <= 5, "{asked} lists for three thousand objects of others");
    // One that has no time left is told so.
    let limits =
        Limits { attempt: Duration::from_millis(400), deadline: Duration::from_millis(500), ..Limits::default() };
    let brief = open(S3Options { limits, prefix, ..options }).await;
    *double.script() = always(Fault::Slow(Duration::from_millis(200)));
    let told = reason(brief.list("", None, 1).await.unwrap_err());
    assert!(told.contains("cannot list"), "{told}");
}

/// All that a call does is within its time: what a write takes is not there for the look at what became of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_one_time_for_all_it_does() {
    let double = double().await;
    let limits =
        Limits { attempt: Duration::from_millis(300), deadline: Duration::from_millis(900), ..Limits::default() };
    let store = open(S3Options { limits, ..options(&double.endpoint()) }).await;
    store.put_if_absent(&key("a"), one(), Flush::Now).await.unwrap();
    for operation in [Operation::Write, Operation::Write, Operation::Read, Operation::Read, Operation::Read] {
        double.script().once(Some(operation), Fault::Stall(Duration::from_secs(30)));
    }
    let told = reason(store.put_if_absent(&key("a"), one(), Flush::Now).await.unwrap_err());
    assert!(told.contains("whether it was written is not known"), "{told}");
    let asked = double.script().asked(Operation::Read);
    assert!(asked <= 1, "{asked} looks, each as long as a third of the call");
}
