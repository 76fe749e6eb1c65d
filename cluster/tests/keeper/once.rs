//! Requests that are done at most once: what is remembered of them, for how long, and how many.

use crate::world::{TestHost, tenant};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use warren_cluster::folder::Folder;
use warren_cluster::keeper::{Answered, Begun, KEPT_FOR, Once, Whose};
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_session::id::TenantId;

/// The machine's clock, some time later.
#[derive(Debug, Default)]
struct Later {
    host: TestHost,
    by: AtomicI64,
}

impl Host for Later {
    fn monotonic(&self) -> Monotonic {
        self.host.monotonic()
    }

    fn realtime(&self) -> Timestamp {
        Timestamp(self.host.realtime().0 + self.by.load(Ordering::SeqCst))
    }

    fn fill_random(&self, buf: &mut [u8]) {
        self.host.fill_random(buf);
    }
}

fn open(dir: &Path, host: &Arc<Later>) -> Once {
    let folder = Folder::new(dir);
    folder.open(host.clone(), tokio::runtime::Handle::current()).unwrap().0.once()
}

fn asked(tenant: &TenantId, key: &str, request: u8) -> Whose {
    Whose { tenant: tenant.clone(), caller: "one".to_owned(), key: key.parse().unwrap(), request: [request; 32] }
}

fn answer() -> Answered {
    Answered { status: 201, media: Some("application/json".to_owned()), body: Bytes::from_static(b"{}") }
}

async fn done(once: &Once, whose: Whose) {
    match once.begin(whose).await.unwrap() {
        Begun::New(ticket) => ticket.done(&answer()).await.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_for_its_time_and_then_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(Later::default());
    let once = open(dir.path(), &host);
    done(&once, asked(&tenant(), "a", 1)).await;
    let Begun::Done(found) = once.begin(asked(&tenant(), "a", 1)).await.unwrap() else { panic!("it was done") };
    assert_eq!(found, answer());
    assert!(matches!(once.begin(asked(&tenant(), "a", 2)).await.unwrap(), Begun::Reused));
    let Begun::New(ticket) = once.begin(asked(&tenant(), "b", 1)).await.unwrap() else { panic!("it is new") };
    assert!(matches!(once.begin(asked(&tenant(), "b", 1)).await.unwrap(), Begun::Running));
    // Nobody can say what became of one that was given up.
    drop(ticket);
    assert!(matches!(once.begin(asked(&tenant(), "b", 1)).await.unwrap(), Begun::Unknown));
    assert_eq!(once.sweep().await.unwrap(), 0);
    host.by.store(KEPT_FOR.as_nanos() as i64 - 60_000_000_000, Ordering::SeqCst);
    assert_eq!(once.sweep().await.unwrap(), 0, "a minute before its time");
    host.by.store(KEPT_FOR.as_nanos() as i64 + 60_000_000_000, Ordering::SeqCst);
    assert_eq!(once.sweep().await.unwrap(), 2);
    assert!(matches!(once.begin(asked(&tenant(), "a", 2)).await.unwrap(), Begun::New(_)), "the key is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_tenant_so_many_are_remembered_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(Later::default());
    let other: TenantId = "other".parse().unwrap();
    {
        let once = open(dir.path(), &host).with_notes_max(3);
        for key in ["a", "b", "c"] {
            done(&once, asked(&tenant(), key, 1)).await;
        }
        assert!(matches!(once.begin(asked(&tenant(), "d", 1)).await.unwrap(), Begun::Full));
        // What is there is answered all the same, and another tenant has its own.
        assert!(matches!(once.begin(asked(&tenant(), "a", 1)).await.unwrap(), Begun::Done(_)));
        let Begun::New(ticket) = once.begin(asked(&other, "d", 1)).await.unwrap() else { panic!("it is new") };
        ticket.free().await.unwrap();
    }
    // Another server counts what it finds; a refused request gives its place back.
    let once = open(dir.path(), &host).with_notes_max(4);
    let Begun::New(ticket) = once.begin(asked(&tenant(), "d", 1)).await.unwrap() else { panic!("there is room") };
    assert!(matches!(once.begin(asked(&tenant(), "e", 1)).await.unwrap(), Begun::Full));
    ticket.free().await.unwrap();
    done(&once, asked(&tenant(), "e", 1)).await;
    assert!(matches!(once.begin(asked(&tenant(), "f", 1)).await.unwrap(), Begun::Full));
    // Once the old ones are forgotten there is room again.
    host.by.store(KEPT_FOR.as_nanos() as i64 + 60_000_000_000, Ordering::SeqCst);
    assert_eq!(once.sweep().await.unwrap(), 4);
    for key in ["g", "h", "i", "j"] {
        done(&once, asked(&tenant(), key, 1)).await;
    }
    assert!(matches!(once.begin(asked(&tenant(), "k", 1)).await.unwrap(), Begun::Full));
}
