//! How long things take here. Printed, never compared: run it alone on a quiet machine for numbers to write down.

use crate::cluster::Cluster;
use crate::world::{Owner, new_session, tenant};
use std::time::{Duration, Instant};
use warren_session::durability::Durability;
use warren_session::spec::Tier;

fn line(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    println!("{what:<44} {:>5} times, p50 {:>9.3?}, p99 {:>9.3?}", times.len(), at(50), at(99));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acknowledgements_wakes_and_failovers() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    for (tier, times) in [(Tier::Checkpoint, 1000), (Tier::Journal, 1000), (Tier::Strict, 200)] {
        let mut owner = Owner::create(a.keeper(), tier, None).await;
        let mut taken = Vec::new();
        for number in 0..times {
            let begun = Instant::now();
            owner.run("file", format!("{number:0>500}").as_bytes()).await.unwrap();
            taken.push(begun.elapsed());
        }
        line(&format!("{tier:?}: a command and its file"), taken);
        owner.hibernate().await.unwrap();
    }
    let (mut made, mut rested, mut woken, mut moved) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..50 {
        let begun = Instant::now();
        let mut owner = Owner::of(a.keeper().create(new_session(Tier::Journal, None)).await.unwrap());
        made.push(begun.elapsed());
        let id = owner.id;
        owner.run("file", &[7; 3000]).await.unwrap();
        let begun = Instant::now();
        owner.hibernate().await.unwrap();
        rested.push(begun.elapsed());
        let begun = Instant::now();
        let mut owner = Owner::of(b.keeper().claim(&tenant(), id).await.unwrap());
        woken.push(begun.elapsed());
        owner.run("file", &[8; 3000]).await.unwrap();
        let begun = Instant::now();
        b.node.hand_over(&tenant(), id, a.node.me()).await.unwrap();
        let owner = Owner::of(a.keeper().claim(&tenant(), id).await.unwrap());
        moved.push(begun.elapsed());
        assert_eq!(owner.epoch.get(), 3);
    }
    for (what, taken) in
        [("made", made), ("to rest", rested), ("woken elsewhere", woken), ("handed over and taken", moved)]
    {
        line(what, taken);
    }
    let mut ids = Vec::new();
    let mut owners = Vec::new();
    for _ in 0..200 {
        let mut owner = Owner::create(a.keeper(), Tier::Journal, None).await;
        owner.run("file", &[9; 500]).await.unwrap();
        ids.push(owner.id);
        owners.push(owner);
    }
    let begun = Instant::now();
    a.die_with_its_disk();
    let claims = ids.iter().map(|id| async {
        let (owner, _) = b.claim(*id).await;
        assert_eq!(owner.epoch.get(), 2);
        begun.elapsed()
    });
    line("from a death until a session is taken", futures_util::future::join_all(claims).await);
}
