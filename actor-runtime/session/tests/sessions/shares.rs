//! Tenants' shares of the processor.

use crate::world::{World, get, request, shares, within};
use std::num::NonZeroU32;
use std::time::Duration;
use warren_session::command::Operation;
use warren_session::spec::{SessionSpec, Tier};
use warren_wasi_posix::share::Share;

#[test]
fn what_a_tenants_sessions_use_is_counted_as_the_tenants() {
    within(async {
        let mut world = World::new().await;
        world.tenant = "counted".parse().unwrap();
        assert_eq!(shares().figures("counted"), None);
        let (one, other) = (world.session(Tier::Scratch).await, world.session(Tier::Scratch).await);
        one.run(request(&["both"]), 1024).await.unwrap();
        let figures = one.processor_time().await.unwrap();
        assert!(figures.cpu > Duration::ZERO, "{figures:?}");
        assert_eq!(other.processor_time().await.unwrap().cpu, Duration::ZERO);
        assert_eq!(shares().figures("counted").unwrap().cpu, figures.cpu);
        // The tenant's stay when its sessions rest; the session's begin anew with its next owner.
        world.sessions.hibernate(&world.tenant, one.id()).await.unwrap();
        assert!(shares().figures("counted").unwrap().cpu >= figures.cpu);
        assert_eq!(world.handle(one.id()).await.processor_time().await.unwrap().cpu, Duration::ZERO);
    });
}

#[test]
fn forks_and_imports_are_of_their_tenant() {
    within(async {
        let mut world = World::new().await;
        world.tenant = "forks".parse().unwrap();
        let one = world.imported([("a".to_owned(), true)]).await;
        let fork = world.sessions.fork(&world.tenant, one.id(), None).await.unwrap();
        world.handle(fork.id).await.run(request(&["both"]), 1024).await.unwrap();
        assert!(shares().figures("forks").unwrap().cpu > Duration::ZERO);
        assert_eq!(one.processor_time().await.unwrap().cpu, Duration::ZERO);
    });
}

#[test]
fn a_session_whose_tenant_has_used_up_its_quota_can_be_put_to_rest_and_deleted() {
    within(async {
        let mut world = World::new().await;
        world.tenant = "spent".parse().unwrap();
        shares().set("spent", Share { cpu_ms_per_s: NonZeroU32::new(1), ..Share::default() });
        let session = world.session_of(SessionSpec::default()).await;
        let other = world.session_of(SessionSpec::default()).await;
        for handle in [&session, &other] {
            handle.exec(request(&["spin"])).await.unwrap();
            handle.exec(request(&["spin"])).await.unwrap();
        }
        while shares().figures("spent").unwrap().throttles == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        world.sessions.delete(&world.tenant, other.id()).await.unwrap();
        let figures = shares().figures("spent").unwrap();
        assert!(figures.throttled > Duration::ZERO && figures.cpu > Duration::ZERO, "{figures:?}");
    });
}

fn write(path: &str) -> Vec<Operation> {
    let content = "x".repeat(100_000).into();
    vec![Operation::Write { path: path.to_owned(), content, mode: None, parents: true, exclusive: false }]
}

#[test]
fn a_batch_of_file_operations_is_paid_for_by_its_tenants_share() {
    within(async {
        let mut world = World::new().await;
        world.tenant = "batches".parse().unwrap();
        let session = world.session(Tier::Scratch).await;
        let before = session.processor_time().await.unwrap().cpu;
        session.batch(write("/home/agent/a")).await.unwrap();
        let after = session.processor_time().await.unwrap().cpu;
        assert!(after > before, "{before:?} {after:?}");
        assert_eq!(shares().figures("batches").unwrap().cpu, after);
    });
}

#[test]
fn a_batch_waits_for_its_tenants_quota_and_holds_up_neither_rest_nor_deletion() {
    within(async {
        let mut world = World::new().await;
        world.tenant = "over".parse().unwrap();
        let [rests, goes, leaves] = [
            world.session(Tier::Journal).await,
            world.session(Tier::Journal).await,
            world.session(Tier::Journal).await,
        ];
        shares().set("over", Share { cpu_ms_per_s: NonZeroU32::new(1), ..Share::default() });
        shares().session("over").charge(Duration::from_secs(3600));
        let waiting: Vec<_> = [&rests, &goes, &leaves]
            .into_iter()
            .map(|handle| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.batch(write("/home/agent/late")).await })
            })
            .collect();
        let [first, second, third] = <[_; 3]>::try_from(waiting).unwrap();
        third.abort();
        world.sessions.hibernate(&world.tenant, rests.id()).await.unwrap();
        world.sessions.delete(&world.tenant, goes.id()).await.unwrap();
        shares().set("over", Share::default());
        // The one waits on, and wakes its session; the other has none any more; the third's client has gone away.
        assert_eq!(first.await.unwrap().unwrap().len(), 1);
        assert!(second.await.unwrap().is_err());
        assert_eq!(get(&rests, "/home/agent/late").await.len(), 100_000);
        assert!(leaves.stat("/home/agent/late").await.is_err());
    });
}
