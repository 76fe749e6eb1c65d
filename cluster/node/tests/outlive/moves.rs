//! Sessions go in order: to another process, to rest, out of one that drains; and who asks is told where they are.

use crate::cluster::{Cluster, same_files, until};
use crate::world::{Owner, host, new_session, tenant};
use warren_node::Place;
use warren_session::durability::{Durability, DurabilityError};
use warren_session::id::SessionId;
use warren_session::spec::Tier;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_is_handed_over_and_found() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    let gateway = cluster.process(3, &dirs[2]).await;
    for one in [&a, &b, &gateway] {
        one.is_up(3).await;
    }
    for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        let mut owner = Owner::create(a.keeper(), tier, None).await;
        let id = owner.id;
        for number in 0..4 {
            owner.run(&format!("file{number}"), &[number; 2000]).await.unwrap();
        }
        let at_a = Place::At { owner: a.node.me(), address: "10.0.0.1:7000".to_owned() };
        assert_eq!(gateway.node.locate(&tenant(), id).await.unwrap(), at_a, "{tier:?}");
        assert_eq!(a.node.locate(&tenant(), id).await.unwrap(), Place::Here);
        if tier == Tier::Scratch {
            let point = owner.point();
            owner.claim.checkpoint(point, None).await.unwrap();
        }
        let (files, last) = (owner.shown(), owner.last.seq);
        a.node.hand_over(&tenant(), id, b.node.me()).await.unwrap();
        let again = a.node.hand_over(&tenant(), id, b.node.me()).await;
        assert!(matches!(again, Err(DurabilityError::Owned(_))), "{again:?}");
        if tier != Tier::Scratch {
            let late = owner.run("late", b"late").await;
            assert!(matches!(late, Err(DurabilityError::Fenced(_))), "{tier:?}: {late:?}");
        }
        // Nobody waits for a lease: it was given.
        let mut next = Owner::of(b.keeper().claim(&tenant(), id).await.unwrap());
        assert_eq!((next.epoch.get(), next.last.seq), (2, last + 1), "{tier:?}");
        same_files(&files, &next);
        next.run("on b", b"yes").await.unwrap();
        let at_b = Place::At { owner: b.node.me(), address: "10.0.0.2:7000".to_owned() };
        until("the gateway knows", async || gateway.node.locate(&tenant(), id).await.unwrap() == at_b).await;
        assert_eq!(b.node.locate(&tenant(), id).await.unwrap(), Place::Here);
        // Back again, while it is unused.
        b.node.hand_over(&tenant(), id, a.node.me()).await.unwrap();
        let back = Owner::of(a.keeper().claim(&tenant(), id).await.unwrap());
        assert_eq!(back.epoch.get(), 3);
        back.claim.delete().await.unwrap();
        let gone = gateway.node.locate(&tenant(), id).await;
        let gone_by_hint = matches!(gone, Ok(Place::At { .. }));
        assert!(gone_by_hint || matches!(gone, Err(DurabilityError::Deleted(_))), "{gone:?}");
        let claimed = b.keeper().claim(&tenant(), id).await.unwrap_err();
        assert!(matches!(claimed, DurabilityError::Deleted(_)), "{claimed}");
    }
    let unknown = SessionId::generate(&*host());
    assert!(matches!(gateway.node.locate(&tenant(), unknown).await, Err(DurabilityError::Missing(_))));
    let claimed = gateway.keeper().claim(&tenant(), unknown).await.unwrap_err();
    assert!(matches!(claimed, DurabilityError::Missing(_)), "{claimed}");
}

/// One that rests is woken by any process, many times over, with the same bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_rests_and_wakes_elsewhere() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let processes = [cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await];
    for one in &processes {
        one.is_up(2).await;
    }
    let mut owner = Owner::create(processes[0].keeper(), Tier::Journal, Some("rests")).await;
    let id = owner.id;
    for turn in 0..8_u64 {
        owner.run(&format!("file{turn}"), &vec![turn as u8; 3000]).await.unwrap();
        let (files, last) = (owner.shown(), owner.last.seq);
        owner.hibernate().await.unwrap();
        let record = cluster.record(id).await;
        let owning = record.ownership.unwrap();
        assert!(owning.segments.is_empty(), "what rests is in its snapshot: {owning:?}");
        let other = &processes[(turn as usize + 1) % 2];
        let placed = other.node.locate(&tenant(), id).await.unwrap();
        assert!(matches!(placed, Place::Free { .. } | Place::At { .. }), "{placed:?}");
        assert_eq!(other.events(id).await.last().unwrap().position.seq, last, "events are read while it rests");
        owner = Owner::of(other.keeper().claim(&tenant(), id).await.unwrap());
        assert_eq!(owner.epoch.get(), turn + 2);
        same_files(&files, &owner);
    }
    owner.claim.delete().await.unwrap();
    assert_eq!(processes[0].keeper().find(&tenant(), &"rests".parse().unwrap()).await.unwrap(), None);
    let left = cluster.store().await.list(&format!("{}/s/{id}/", tenant()), None, 10).await.unwrap();
    assert!(left.entries.is_empty(), "{left:?}");
}

/// A process that drains gives up what it has; one that is alone lets it rest. Nothing is made there any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_drains() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    let mut owners = Vec::new();
    for tier in [Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        let mut owner = Owner::create(a.keeper(), tier, None).await;
        owner.run("file", b"acknowledged").await.unwrap();
        owners.push(owner);
    }
    a.node.drain();
    until("all have left", async || a.node.is_drained()).await;
    let mut nexts = Vec::new();
    for owner in &owners {
        let next = Owner::of(b.keeper().claim(&tenant(), owner.id).await.unwrap());
        same_files(&owner.shown(), &next);
        assert_eq!(next.epoch.get(), 2);
        nexts.push(next);
    }
    until("b knows that a drains", async || {
        (0..50).all(|_| b.node.place(SessionId::generate(&*host())) == place_of(&b))
    })
    .await;
    assert!(a.keeper().create(new_session(Tier::Journal, None)).await.is_err(), "it takes none");
    a.die();
    b.node.drain();
    until("it is alone, and they rest", async || b.node.is_drained()).await;
    for owner in &owners {
        let record = cluster.record(owner.id).await;
        assert_eq!(record.standing, warren_cluster::record::Standing::Resting);
        let events = b.events(owner.id).await;
        assert!(events.len() as u64 >= owner.last.seq, "what it rests with is read from its journal");
    }
    let dir = tempfile::tempdir().unwrap();
    let c = cluster.process(3, &dir).await;
    c.is_up(1).await;
    for owner in &owners {
        let next = Owner::of(c.keeper().claim(&tenant(), owner.id).await.unwrap());
        same_files(&owner.shown(), &next);
    }
}

fn place_of(process: &crate::cluster::Process) -> Place {
    Place::Free { owner: process.node.me(), address: "10.0.0.2:7000".to_owned() }
}

/// Sixteen want one session, and one name: one has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_want_it_one_has_it() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut processes = Vec::new();
    for (number, dir) in (1..).zip(&dirs) {
        processes.push(cluster.process(number, dir).await);
    }
    for one in &processes {
        one.is_up(3).await;
    }
    for round in 0..6 {
        let owner = Owner::create(processes[0].keeper(), Tier::Journal, None).await;
        let id = owner.id;
        owner.hibernate().await.unwrap();
        let tenant = tenant();
        let claims = (0..16).map(|number| processes[number % 3].keeper().claim(&tenant, id));
        let claimed = futures_util::future::join_all(claims).await;
        let won: Vec<_> = claimed.iter().filter_map(|claimed| claimed.as_ref().ok()).collect();
        assert_eq!(won.len(), 1, "round {round}: {claimed:?}");
        assert_eq!(won[0].epoch.get(), 2);
        let name = format!("name{round}");
        let makes = (0..9).map(|number| processes[number % 3].keeper().create(new_session(Tier::Journal, Some(&name))));
        let made = futures_util::future::join_all(makes).await;
        let won: Vec<_> = made.iter().filter_map(|made| made.as_ref().ok()).collect();
        let found = processes[1].keeper().find(&tenant, &name.parse().unwrap()).await.unwrap();
        assert!(won.len() <= 1, "round {round}: {} have the name", won.len());
        assert_eq!(found, won.first().map(|claimed| claimed.summary.id), "round {round}");
        assert!(
            made.iter()
                .filter_map(|made| made.as_ref().err())
                .all(|error| { matches!(error, DurabilityError::NameTaken(_)) })
        );
    }
}
