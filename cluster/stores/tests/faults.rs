//! What a caller is told when the bucket fails, one fault at a time.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use servers::{double, hasty, open, options};
use std::collections::BTreeSet;
use std::time::Duration;
use warren_s3_double::faults::{Chance, Fault, Operation};
use warren_s3_double::{Conditions, Double, Options, Script};
use warren_storage::store::{Flush, Key, OBJECT_BYTES_MAX, PutError, Store, StoreError, Version};
use warren_stores::probe::{Check, Outcome, ProbeOptions, probe, probe_bucket};
use warren_stores::retry::Limits;
use warren_stores::s3::{S3Credentials, S3Options, S3Store};

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn one() -> Bytes {
    Bytes::from_static(b"one")
}

async fn create(store: &S3Store, name: &str) -> Result<Version, PutError> {
    store.put_if_absent(&key(name), one(), Flush::Now).await
}

/// The text of an error that says the store is not available.
fn reason(error: impl Into<PutError>) -> String {
    match error.into() {
        PutError::Store(StoreError::Unavailable { reason }) => reason,
        other => panic!("{other:?} is another error"),
    }
}

const NOT_KNOWN: &str = "whether it was written is not known: read it before writing again";
const NOTHING: &str = "nothing was written";
/// Faults of a write after which it is done all the same, when it is tried again.
const PASSING: [Fault; 8] = [
    Fault::Status(503),
    Fault::Status(429),
    Fault::Status(409),
    Fault::Status(500),
    Fault::ErrorAfterApply,
    Fault::LostAfterApply,
    Fault::Reset,
    Fault::Slow(Duration::from_millis(50)),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_passes_is_not_seen() {
    let double = double().await;
    let store = open(options(&double.endpoint())).await;
    for (number, fault) in PASSING.into_iter().enumerate() {
        let named = key(&format!("passing/{number}"));
        double.script().once(Some(Operation::Write), fault);
        let first =
            store.put_if_absent(&named, one(), Flush::Now).await.unwrap_or_else(|why| panic!("{fault:?}: {why}"));
        let found = store.get(&named).await.unwrap().unwrap();
        assert_eq!((found.bytes, &found.version), (one(), &first), "{fault:?}");
        double.script().once(Some(Operation::Write), fault);
        let second = store.put_if_match(&named, one(), &first, Flush::Now).await.unwrap();
        assert_ne!(first, second, "{fault:?}");
        assert_eq!(store.get(&named).await.unwrap().unwrap().version, second, "{fault:?}");
        assert_eq!(double.script().waiting(), 0);
    }
    // Reads, lists and deletes are asked again, too; a list has no conflict.
    create(&store, "read").await.unwrap();
    for fault in PASSING.into_iter().chain([Fault::Cut]).filter(|fault| *fault != Fault::Status(409)) {
        double.script().once(Some(Operation::Read), fault);
        assert_eq!(store.get(&key("read")).await.unwrap().unwrap().bytes, one(), "{fault:?}");
        double.script().once(Some(Operation::Read), fault);
        assert_eq!(store.get_range(&key("read"), 1..2).await.unwrap().unwrap(), "n", "{fault:?}");
        double.script().once(Some(Operation::List), fault);
        assert_eq!(store.list("read", None, 10).await.unwrap().entries.len(), 1, "{fault:?}");
        double.script().once(Some(Operation::Delete), fault);
        store.delete(&key("read")).await.unwrap();
        assert_eq!(store.get(&key("read")).await.unwrap(), None, "{fault:?}");
        create(&store, "read").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_told_as_what_it_was() {
    let double = double().await;
    let store = open(hasty(&double.endpoint())).await;
    // Done, and the second try is refused by the first: it was ours.
    let stall = Fault::StallAfterApply(Duration::from_secs(30));
    for (number, fault) in [Fault::LostAfterApply, Fault::ErrorAfterApply, stall].into_iter().enumerate() {
        let name = format!("lost/{number}");
        double.script().once(Some(Operation::Write), fault);
        let version = create(&store, &name).await.unwrap();
        assert_eq!(store.get(&key(&name)).await.unwrap().unwrap().version, version, "{fault:?}");
        assert_eq!(create(&store, &name).await, Err(PutError::Conflict), "and another's is refused as one");
    }
    // Not done: the second try does it.
    double.script().once(Some(Operation::Write), Fault::Stall(Duration::from_secs(30)));
    create(&store, "stalled").await.unwrap();
    // The first try has no answer, and somebody else's object is there: it may have been written before that.
    let before = create(&store, "theirs").await.unwrap();
    let after = store.put_if_match(&key("theirs"), Bytes::from_static(b"two"), &before, Flush::Now).await.unwrap();
    for _ in 0..2 {
        double.script().once(Some(Operation::Write), Fault::Reset);
        let told = reason(store.put_if_match(&key("theirs"), one(), &before, Flush::Now).await.unwrap_err());
        assert!(told.contains(NOT_KNOWN) && told.contains("somebody else's write is there now"), "{told}");
    }
    double.script().once(Some(Operation::Write), Fault::Reset);
    let told = reason(create(&store, "theirs").await.unwrap_err());
    assert!(told.contains(NOT_KNOWN), "{told}");
    assert_eq!(store.get(&key("theirs")).await.unwrap().unwrap().version, after);
    // The same of one that is gone.
    store.delete(&key("theirs")).await.unwrap();
    double.script().once(Some(Operation::Write), Fault::Reset);
    let told = reason(store.put_if_match(&key("theirs"), one(), &after, Flush::Now).await.unwrap_err());
    assert!(told.contains(NOT_KNOWN) && told.contains("nothing is there now"), "{told}");
    // With every try answered it is what it is.
    assert_eq!(store.put_if_match(&key("theirs"), one(), &after, Flush::Now).await, Err(PutError::Missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_whose_answer_is_lost_is_told_as_what_it_was() {
    let double = double().await;
    let store = open(hasty(&double.endpoint())).await;
    let version = create(&store, "a").await.unwrap();
    double.script().once(Some(Operation::Delete), Fault::LostAfterApply);
    let told = reason(store.delete_if_match(&key("a"), &version).await.unwrap_err());
    assert!(told.contains("whether it was removed is not known"), "{told}");
    let version = create(&store, "a").await.unwrap();
    double.script().once(Some(Operation::Delete), Fault::Reset);
    store.delete_if_match(&key("a"), &version).await.unwrap();
    assert_eq!(store.delete_if_match(&key("a"), &version).await, Err(PutError::Missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_for_long_is_told_whether_something_was_written() {
    let always = |fault| Script::new(1, vec![Chance { per_mille: 1000, fault }]);
    let limits =
        Limits { attempt: Duration::from_millis(200), deadline: Duration::from_millis(900), ..Limits::default() };
    for (fault, became, said) in [
        (Fault::Status(503), NOTHING, "503 SlowDown"),
        (Fault::Status(429), NOTHING, "429 TooManyRequests"),
        (Fault::Status(409), NOTHING, "another write of the key is on its way"),
        (Fault::Status(500), NOT_KNOWN, "500 InternalError"),
        (Fault::Reset, NOT_KNOWN, ""),
        (Fault::LostAfterApply, NOT_KNOWN, ""),
        (Fault::Stall(Duration::from_secs(30)), NOT_KNOWN, "no answer within"),
        (Fault::Slow(Duration::from_secs(30)), NOT_KNOWN, "no answer within"),
    ] {
        let double = Double::start(Options { script: always(fault), ..Options::default() }).await.unwrap();
        let mut options = S3Options { limits, ..options(&double.endpoint()) };
        options.prefix = "p/".to_owned();
        let store = open(options).await;
        let told = reason(create(&store, "named").await.unwrap_err());
        for part in [became, said, "\"p/named\"", "bucket \"bucket\"", "tried"] {
            assert!(told.contains(part), "{fault:?}: {part:?} is not in {told:?}");
        }
        if fault != Fault::Status(409) {
            let told = reason(store.list("", None, 1).await.unwrap_err());
            assert!(told.contains("cannot list \"p/\" in bucket \"bucket\""), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_do_nothing_about_it_is_told_at_once() {
    let double = double().await;
    let wrong = |change: fn(&mut S3Options)| {
        let mut options = options(&double.endpoint());
        change(&mut options);
        options
    };
    let credentials = |access: &str, secret: &str| {
        Some(S3Credentials { access_key: access.to_owned(), secret_key: secret.to_owned(), session_token: None })
    };
    let cases = [
        (wrong(|one| one.bucket = "another".to_owned()), "NoSuchBucket", "make the bucket"),
        (S3Options { credentials: credentials("nobody", "x"), ..wrong(|_| ()) }, "403", "access key"),
        (
            S3Options { credentials: credentials("warren-double", "x"), ..wrong(|_| ()) },
            "SignatureDoesNotMatch",
            "secret",
        ),
    ];
    for (options, said, advice) in cases {
        let bucket = format!("bucket {:?}", options.bucket);
        let store = open(options).await;
        let asked = || [Operation::Write, Operation::Read].map(|operation| double.script().asked(operation));
        let before = asked();
        let told = reason(create(&store, "a").await.unwrap_err());
        assert!(told.contains(said) && told.contains(advice) && told.contains(NOTHING), "{told}");
        let told = reason(store.get(&key("a")).await.unwrap_err());
        assert!(told.contains(said) && told.contains(&bucket), "{told}");
        assert_eq!(asked(), before.map(|many| many + 1), "each is asked once");
    }
    // Nobody listens there.
    let nobody = format!("http://127.0.0.1:{}", servers::free_port());
    let limits = Limits { deadline: Duration::from_millis(500), ..Limits::default() };
    let store = open(S3Options { limits, ..options(&nobody) }).await;
    let told = reason(create(&store, "a").await.unwrap_err());
    assert!(told.contains("it cannot be reached") && told.contains(NOTHING), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_fail_by_themselves() {
    let double = double().await;
    let in_parts = S3Options { multipart_bytes: 1024, part_bytes: 5 << 20, ..hasty(&double.endpoint()) };
    let store = open(in_parts).await;
    let large: Bytes = (0..12_000_000u32).map(|at| (at >> 8) as u8).collect();
    let mut version = store.put_if_absent(&key("large"), large.clone(), Flush::Now).await.unwrap();
    // Each request of an upload fails once: the begin, one of three parts, the end.
    for at in 0..5 {
        for fault in [Fault::Status(503), Fault::Reset, Fault::LostAfterApply, Fault::ErrorAfterApply] {
            for _ in 0..at {
                double.script().once(Some(Operation::Write), Fault::Slow(Duration::ZERO));
            }
            double.script().once(Some(Operation::Write), fault);
            version = store.put_if_match(&key("large"), large.clone(), &version, Flush::Now).await.unwrap();
            let found = store.get(&key("large")).await.unwrap().unwrap();
            assert!(found.bytes == large && found.version == version, "{fault:?} at {at}");
            assert_eq!(double.script().waiting(), 0);
        }
    }
    assert_eq!(store.put_if_absent(&key("large"), large.clone(), Flush::Now).await, Err(PutError::Conflict));
    let stale = Version::new("stale");
    assert_eq!(store.put_if_match(&key("large"), large, &stale, Flush::Now).await, Err(PutError::Conflict));
    // What was refused was aborted, by tasks of their own. An upload whose begin had no answer is nobody's to abort: two.
    let mut waited = 0;
    while double.objects().open_uploads() > 2 {
        waited += 1;
        assert!(waited < 500, "{} uploads were left open", double.objects().open_uploads());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = store.get_range(&key("large"), 5_242_800..5_242_900).await.unwrap().unwrap();
    assert!(found.iter().enumerate().all(|(at, byte)| *byte == ((5_242_800 + at) >> 8) as u8));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_is_no_shorter_object() {
    let always = Script::new(1, vec![Chance { per_mille: 1000, fault: Fault::Cut }]);
    let double = double().await;
    let limits =
        Limits { attempt: Duration::from_millis(300), deadline: Duration::from_millis(600), bytes_per_s: 1 << 30 };
    let store = open(S3Options { limits, ..options(&double.endpoint()) }).await;
    store.put_if_absent(&key("a"), Bytes::from(vec![1; 100_000]), Flush::Now).await.unwrap();
    *double.script() = always;
    reason(store.get(&key("a")).await.unwrap_err());
    reason(store.get_range(&key("a"), 0..50_000).await.unwrap_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_named_and_not_listed() {
    let double = double().await;
    let options = options(&double.endpoint());
    let prefix = options.prefix.clone();
    let store = open(options).await;
    let put = async |name: &str, bytes: Bytes| {
        let condition = warren_s3_double::objects::Condition::None;
        double.objects().put("bucket", &format!("{prefix}{name}"), bytes, &condition).await.unwrap();
    };
    put("foreign", Bytes::from_static(b"somebody else's, and long enough to have a head of its own")).await;
    put("empty", Bytes::new()).await;
    for number in 0..1500 {
        put(&format!("odd key {number:04}"), Bytes::from(vec![0; 100])).await;
    }
    create(&store, "zz").await.unwrap();
    let mut whole = double.objects().get("bucket", &format!("{prefix}zz")).unwrap().unwrap().bytes.to_vec();
    *whole.last_mut().unwrap() ^= 1;
    put("rotten", whole.into()).await;
    put("long", Bytes::from(vec![0; OBJECT_BYTES_MAX + 49])).await;
    for name in ["foreign", "empty", "rotten", "long"] {
        match store.get(&key(name)).await.unwrap_err() {
            StoreError::Corrupt { key: named, .. } => assert_eq!(named, key(name)),
            other => panic!("{name}: {other}"),
        }
        assert_eq!(create(&store, name).await, Err(PutError::Conflict));
    }
    // A page is not empty while there is more.
    let page = store.list("odd", None, 100).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (0, false));
    let page = store.list("", Some(&key("long")), 1).await.unwrap();
    assert_eq!(page.entries[0].key, key("rotten"));
    assert_eq!(store.get_range(&key("empty"), 0..10).await.unwrap().unwrap(), Bytes::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_refuses_what_it_is_for() {
    for (conditions, expected) in [
        (Conditions::Racy, vec![Check::CreateRace, Check::ReplaceRace, Check::DeleteRace]),
        (Conditions::Ignored, vec![Check::CreateRace, Check::ReplaceRace, Check::DeleteRace]),
    ] {
        let double = Double::start(Options { conditions, ..Options::default() }).await.unwrap();
        let report = probe(open(options(&double.endpoint())).await, ProbeOptions::default()).await;
        println!("{conditions:?}\n{report}");
        let failed = report.rows.iter().filter(|row| row.outcome == Outcome::Failed).map(|row| row.check);
        assert_eq!(failed.collect::<Vec<_>>(), expected, "{conditions:?}");
        let refused = report.judge().unwrap_err();
        let told = refused.to_string();
        assert!(told.contains("not used by more than one node") && told.contains("of 16 writers"), "{told}");
    }
    // The same of objects in parts, which a service may keep elsewhere.
    let double = Double::start(Options { conditions: Conditions::RacyParts, ..Options::default() }).await.unwrap();
    let store = open(options(&double.endpoint())).await;
    assert_eq!(probe(store.clone(), ProbeOptions::default()).await.judge(), Ok(()), "small objects do not tell");
    let refused = probe_bucket(&store, ProbeOptions::default()).await.judge().unwrap_err();
    assert!(refused.check == Check::PartsRace && refused.detail.contains("of 16 writers"), "{refused}");
    // Lists that are behind.
    let behind = Script::new(1, vec![Chance { per_mille: 1000, fault: Fault::Behind(1) }]);
    let double = Double::start(Options { script: behind, ..Options::default() }).await.unwrap();
    let report = probe(open(options(&double.endpoint())).await, ProbeOptions::default()).await;
    assert_eq!(report.judge().unwrap_err().check, Check::ListAfterWrite);
    // Nobody there: nothing is known, and nothing else is tried.
    let nobody = format!("http://127.0.0.1:{}", servers::free_port());
    let limits = Limits { deadline: Duration::from_millis(300), ..Limits::default() };
    let report = probe(open(S3Options { limits, ..options(&nobody) }).await, ProbeOptions::default()).await;
    let outcomes: Vec<_> = report.rows.iter().map(|row| row.outcome).collect();
    assert_eq!(outcomes[0], Outcome::Unknown);
    assert!(outcomes[1..].iter().all(|outcome| *outcome == Outcome::Skipped));
    assert_eq!(report.rows.len(), Check::ALL.len());
}

/// Eight writers each put a pair of who they are and a number into one object while the weather is bad: each pair whose writer was
/// told that it is there, is there once; and of the others only those whose writer was told that it is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_told_is_there_in_bad_weather() {
    for seed in 1..=3 {
        let weather = [
            "503:40",
            "429:20",
            "409:40",
            "500:20",
            "error-after-apply:30",
            "slow:30:20",
            "lost:60",
            "reset:60",
            "cut:20",
        ];
        let script = Script::new(seed, weather.iter().map(|one| one.parse().unwrap()).collect());
        let double = Double::start(Options { script, ..Options::default() }).await.unwrap();
        let store = open(options(&double.endpoint())).await;
        let named = key("pairs");
        while store.get(&named).await.unwrap_or_default().is_none() {
            let _ = store.put_if_absent(&named, Bytes::from_static(b"\n"), Flush::Now).await;
        }
        let writers = (0..8).map(|writer| {
            let (store, named) = (store.clone(), named.clone());
            tokio::spawn(async move {
                let (mut done, mut unknown, mut number) = (Vec::new(), Vec::new(), 0);
                while done.len() + unknown.len() < 40 {
                    let Ok(Some(found)) = store.get(&named).await else { continue };
                    number += 1;
                    let pair = format!("{writer}/{number}");
                    let bytes = Bytes::from(format!("{}{pair}\n", std::str::from_utf8(&found.bytes).unwrap()));
                    match store.put_if_match(&named, bytes, &found.version, Flush::Now).await {
                        Ok(_) => done.push(pair),
                        Err(PutError::Conflict) => {}
                        Err(PutError::Store(StoreError::Unavailable { reason })) if reason.contains(NOTHING) => {}
                        Err(PutError::Store(StoreError::Unavailable { reason })) => {
                            assert!(reason.contains(NOT_KNOWN), "{reason}");
                            unknown.push(pair);
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                (done, unknown)
            })
        });
        let (mut done, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        for ended in futures_util::future::join_all(writers).await {
            let ended = ended.unwrap();
            done.extend(ended.0);
            unknown.extend(ended.1);
        }
        let faults = double.script().done();
        *double.script() = Script::default();
        let found = store.get(&named).await.unwrap().unwrap();
        let there: Vec<&str> = std::str::from_utf8(&found.bytes).unwrap().split_whitespace().collect();
        println!(
            "seed {seed}: {} told, {} not known, {} there, {faults} faults",
            done.len(),
            unknown.len(),
            there.len()
        );
        let once: BTreeSet<String> = there.iter().map(|pair| (*pair).to_owned()).collect();
        assert_eq!(once.len(), there.len(), "seed {seed}: a pair is there twice");
        let lost: Vec<_> = done.difference(&once).collect();
        assert!(lost.is_empty(), "seed {seed}: told, and not there: {lost:?}");
        let odd: Vec<_> = once.iter().filter(|pair| !done.contains(*pair) && !unknown.contains(*pair)).collect();
        assert!(odd.is_empty(), "seed {seed}: told that nothing was written, and there: {odd:?}");
        assert!(faults > 100, "{faults}");
    }
}
