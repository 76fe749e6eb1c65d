#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use crate::store::MemoryStore;
use warren_wasi_posix::system::SystemHost;

fn audit(store: &Arc<dyn Store>, bytes_max: u64) -> Audit {
    let options = AuditOptions { keep: Duration::from_secs(3600), bytes_max };
    Audit::new(store.clone(), Arc::new(SystemHost), options)
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn deed(status: u16) -> Deed {
    let targets = BTreeMap::from([("session".to_owned(), "a\"},{\\\n".to_owned())]);
    let time = SystemHost.realtime();
    Deed { time, method: "POST".to_owned(), route: "/v1/x".to_owned(), targets, status, ..Deed::default() }
}

fn check(lines: &[String]) -> Result<Option<Verified>, Broken> {
    verify(lines.iter().map(String::as_str))
}

#[tokio::test]
async fn records_are_numbered_and_chained_also_over_a_restart() {
    let store = store();
    for round in 0..3 {
        let audit = audit(&store, 1 << 30);
        for number in 0..5 {
            assert!(!audit.record(&tenant(), deed(200 + round * 5 + number), false));
        }
        audit.flush_all().await.unwrap();
        // Nothing waits: nothing is written.
        audit.flush(&tenant()).await.unwrap();
    }
    let (lines, more) = audit(&store, 1 << 30).read(&tenant(), 0, 1000).await.unwrap();
    let verified = check(&lines).unwrap().unwrap();
    assert_eq!((lines.len(), more, verified.first, verified.last, verified.records), (15, false, 1, 15, 15));
    for (number, line) in lines.iter().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (value["seq"].as_u64(), value["status"].as_u64()),
            (Some(number as u64 + 1), Some(200 + number as u64))
        );
        assert_eq!(value["targets"]["session"], "a\"},{\\\n");
    }
    // In parts.
    let (part, more) = audit(&store, 1).read(&tenant(), 13, 1).await.unwrap();
    assert_eq!((part.as_slice(), more), (&lines[13..14], true));
    // Behind the last, and behind all numbers there can be.
    for after in [15, 16, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX - 1, u64::MAX] {
        let (none, more) = audit(&store, 1).read(&tenant(), after, 10).await.unwrap();
        assert_eq!((none.len(), more), (0, false), "{after}");
    }
    assert_eq!(check(&lines[4..]).unwrap().unwrap().first, 5, "the oldest may be gone");
}

#[tokio::test]
async fn whatever_is_changed_is_found() {
    let store = store();
    let audit = audit(&store, 1 << 30);
    (0..6).for_each(|number| _ = audit.record(&tenant(), deed(200 + number), false));
    audit.flush_all().await.unwrap();
    let (lines, _) = audit.read(&tenant(), 0, 1000).await.unwrap();
    assert!(check(&lines).is_ok() && check(&[]).unwrap().is_none());
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        check(&lines).unwrap_err()
    };
    assert_eq!(with(&|lines| lines[3] = lines[3].replace("203", "403")).seq, 4);
    assert_eq!(with(&|lines| _ = lines.remove(2)).seq, 4);
    assert_eq!(with(&|lines| lines.swap(1, 2)).seq, 3);
    assert_eq!(with(&|lines| lines.insert(3, lines[2].clone())).seq, 3);
    assert_eq!(with(&|lines| lines[5].truncate(20)).seq, 6);
    // One that was changed and given its own new hash no longer fits the one behind it.
    let forged = with(&|lines| {
        let (plain, _) = verify::split(&lines[1]).unwrap();
        let plain = plain.replace("201", "200");
        let hash = verify::hash_of(&plain);
        lines[1] = verify::with_hash(plain, &hash);
    });
    assert_eq!((forged.seq, forged.reason), (3, "is not chained to the record before"));
}

#[tokio::test]
async fn what_repeats_is_counted_and_what_is_too_much_goes() {
    let store = store();
    let audit = audit(&store, 300 * 1024);
    (0..200).for_each(|_| _ = audit.record(&tenant(), deed(429), true));
    audit.record(&tenant(), deed(201), false);
    audit.flush_all().await.unwrap();
    let (lines, _) = audit.read(&tenant(), 0, 1000).await.unwrap();
    assert_eq!(lines.len(), 61);
    assert!(lines[60].contains("\"skipped\":140"), "{}", lines[60]);

    let mut full = false;
    for _ in 0..WAITING_MAX {
        full = audit.record(&tenant(), deed(200), false);
    }
    assert!(full, "whoever fills the queue writes it");
    audit.flush(&tenant()).await.unwrap();
    assert!(audit.prune(&tenant()).await.unwrap() > 0);
    assert_eq!(audit.prune(&tenant()).await.unwrap(), 0);
    let (lines, more) = audit.read(&tenant(), 0, 1000).await.unwrap();
    let verified = check(&lines).unwrap().unwrap();
    assert!(verified.first > 61 && (more || verified.last == 61 + WAITING_MAX as u64), "{verified:?}");
    // It goes on.
    audit.record(&tenant(), deed(201), false);
    audit.flush_all().await.unwrap();
    let (last, _) = audit.read(&tenant(), 61 + WAITING_MAX as u64, 1000).await.unwrap();
    assert_eq!(last.len(), 1);
}
