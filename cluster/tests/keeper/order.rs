//! What happens at the same time, or in another order than usual.

use crate::world::{Owner, new_session, open, open_with, tenant};
use std::time::Duration;
use warren_kernel::host::Timestamp;
use warren_session::durability::{Batch, Durability, DurabilityError, Files, Keep, KeyedCommand, Level};
use warren_session::event::End;
use warren_session::id::{CommandKey, ExecId};
use warren_session::position::Position;
use warren_session::spec::Tier;

fn command(number: u64, end: Option<End>) -> (CommandKey, KeyedCommand) {
    let command = KeyedCommand { exec: ExecId(number), after: Position::START, request: [1; 16], end };
    (format!("key-{number}").parse().unwrap(), command)
}

/// The start and the end of a keyed command, and nothing of what it did: all that is kept of a `scratch` session's.
async fn keyed(owner: &mut Owner, number: u64) {
    for end in [None, Some(End::TimedOut)] {
        owner.counters.execs = number;
        let batch = Batch { keys: vec![command(number, end)], counters: owner.counters, ..Batch::default() };
        owner.claim.append(batch, Level::Buffered).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_comes_late_undoes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
    owner.run("f", b"first").await.unwrap();
    let (then, early, kept) = (owner.shown(), owner.point(), owner.point());
    owner.run("f", b"second").await.unwrap();
    owner.run("g", &[7; 300_000]).await.unwrap();
    let late = owner.point();
    let shown = owner.shown();
    owner.claim.checkpoint(late, None).await.unwrap();
    owner.claim.checkpoint(early, None).await.unwrap();
    let keep = Keep { number: 1, name: None, time: Timestamp(1) };
    owner.claim.checkpoint(kept, Some(keep)).await.unwrap();
    let (id, last) = (owner.id, owner.last);
    drop((owner, keeper));
    let keeper = open(dir.path());
    let claimed = keeper.claim(&tenant(), id).await.unwrap();
    assert_eq!(claimed.last, last);
    let Files::Stored { delta, blobs, .. } = claimed.claim.rollback(1).await.unwrap() else { panic!("it is stored") };
    assert_eq!(Owner::of(claimed).shown(), shown, "what was acknowledged behind the point is there");
    let back = warren_kernel::vfs::change::apply(&crate::world::layer(), &delta, &blobs).unwrap();
    assert_eq!(crate::world::shown(&back), then, "and the checkpoint is of its point");
}

#[tokio::test(flavor = "multi_thread")]
async fn folding_the_keys_of_a_scratch_session_keeps_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open_with(dir.path(), |folder| folder.keeper.tail_bytes = 2000);
    let mut owner = Owner::create(&keeper, Tier::Scratch, None).await;
    owner.run("kept", b"1").await.unwrap();
    let point = owner.point();
    owner.claim.checkpoint(point, None).await.unwrap();
    let (id, shown, last) = (owner.id, owner.shown(), owner.last);
    for number in 2..30 {
        keyed(&mut owner, number).await;
    }
    // Behind what was folded by then.
    let point = owner.point();
    owner.claim.checkpoint(point, None).await.unwrap();
    drop((owner, keeper));
    let keeper = open(dir.path());
    let claimed = keeper.claim(&tenant(), id).await.unwrap();
    assert_eq!((claimed.last, claimed.counters.execs), (last, 29));
    assert_eq!(claimed.keys.len(), 28, "no key is forgotten: its command would run again");
    assert!(claimed.keys.iter().all(|(_, command)| command.end.is_some()));
    assert_eq!(Owner::of(claimed).shown(), shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_starts_while_a_checkpoint_is_made_is_remembered() {
    for tier in [Tier::Scratch, Tier::Checkpoint] {
        let dir = tempfile::tempdir().unwrap();
        let keeper = open(dir.path());
        let mut owner = Owner::create(&keeper, tier, None).await;
        owner.run("f", b"1").await.unwrap();
        let point = owner.point();
        keyed(&mut owner, 2).await;
        owner.claim.checkpoint(point, None).await.unwrap();
        let id = owner.id;
        drop((owner, keeper));
        let keeper = open(dir.path());
        let claimed = keeper.claim(&tenant(), id).await.unwrap();
        assert_eq!(claimed.keys, [command(2, Some(End::TimedOut))], "{tier:?}");
        assert_eq!(claimed.counters.execs, 2, "{tier:?}: no number is given twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_taken_as_it_goes_to_rest_keeps_what_comes_then() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
    let id = owner.id;
    for round in 0..200u64 {
        owner.run("f", &round.to_le_bytes()).await.unwrap();
        let shown = owner.shown();
        let resting = tokio::spawn(owner.hibernate());
        let claimed = loop {
            match keeper.claim(&tenant(), id).await {
                Err(DurabilityError::Owned(_)) => tokio::task::yield_now().await,
                claimed => break claimed.unwrap(),
            }
        };
        let mut next = Owner::of(claimed);
        assert_eq!(next.shown(), shown, "round {round}");
        next.run("g", &round.to_le_bytes()).await.unwrap();
        let shown = next.shown();
        resting.await.unwrap().unwrap();
        drop(next);
        owner = Owner::claim(&keeper, id).await;
        assert_eq!(owner.shown(), shown, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_take_a_session_one_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
    owner.run("f", b"1").await.unwrap();
    let id = owner.id;
    for round in 0..30 {
        drop(owner);
        let racing = (0..8).map(|_| {
            let keeper = keeper.clone();
            tokio::spawn(async move { keeper.claim(&tenant(), id).await })
        });
        let racing = futures_util::future::join_all(racing.collect::<Vec<_>>()).await;
        let (taken, refused): (Vec<_>, Vec<_>) = racing.into_iter().map(Result::unwrap).partition(Result::is_ok);
        let one: [_; 1] =
            taken.try_into().unwrap_or_else(|taken: Vec<_>| panic!("round {round}: {} have it", taken.len()));
        assert!(refused.iter().all(|refused| matches!(refused, Err(DurabilityError::Owned(_)))));
        assert!(matches!(keeper.delete(&tenant(), id).await, Err(DurabilityError::Owned(_))));
        owner = Owner::of(one.into_iter().next().unwrap().unwrap());
        owner.run("f", b"2").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_whole_while_checkpoints_replace_their_segments() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
    let id = owner.id;
    let reader = keeper.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let reading = tokio::spawn(async move {
        let (mut stopped, mut least) = (stopped, 0);
        while stopped.try_recv().is_err() {
            let past = reader.events(&tenant(), id, Position::START, usize::MAX).await.unwrap();
            let numbers: Vec<u64> = past.events.iter().map(|event| event.position.seq).collect();
            assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no gap and none twice");
            assert!(numbers.len() >= least, "none is gone again");
            least = numbers.len();
        }
        least
    });
    for round in 0..150u64 {
        owner.run("f", &round.to_le_bytes()).await.unwrap();
        let point = owner.point();
        owner.claim.checkpoint(point, None).await.unwrap();
    }
    let _ = stop.send(());
    assert!(reading.await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_dropped_with_work_on_its_way_loses_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    for _ in 0..10 {
        let mut owner = Owner::of(keeper.create(new_session(Tier::Checkpoint, None)).await.unwrap());
        let id = owner.id;
        owner.put("large", &[3; 2 << 20]);
        let batch = owner.batch();
        let large = owner.claim.append(batch, Level::Buffered);
        owner.put("small", b"behind it");
        let batch = owner.batch();
        let small = owner.claim.append(batch, Level::Buffered);
        let shown = owner.shown();
        drop((owner, large, small));
        assert_eq!(Owner::claim(&keeper, id).await.shown(), shown, "a batch counts from the call on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_the_journal_is_kept_as_long_as_anything_in_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let small = |folder: &mut warren_cluster::folder::Folder| {
        (folder.journal.segment_bytes, folder.keeper.journal_segments) = (2000, 1);
        folder.journal.sync_interval = Duration::from_millis(1);
    };
    let keeper = open_with(dir.path(), small);
    let tidying = keeper.clone();
    let tidier = tokio::spawn(async move {
        loop {
            tidying.tidy().await;
            tokio::task::yield_now().await;
        }
    });
    // Some fold all the time, so that the lowest place that is needed moves beside the appends of the others.
    let lives = (0..6u64).map(|number| {
        let keeper = keeper.clone();
        tokio::spawn(async move {
            let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
            for round in 0..60u64 {
                owner.run("f", &[number, round].map(u64::to_le_bytes).concat()).await.unwrap();
                if number % 2 == 0 && round % 3 == 0 {
                    let point = owner.point();
                    owner.claim.checkpoint(point, None).await.unwrap();
                }
            }
            (owner.id, owner.shown())
        })
    });
    let shown = futures_util::future::join_all(lives.collect::<Vec<_>>()).await;
    tidier.abort();
    let _ = tidier.await;
    drop(keeper);
    let keeper = open_with(dir.path(), small);
    for life in shown {
        let (id, shown) = life.unwrap();
        assert_eq!(Owner::claim(&keeper, id).await.shown(), shown);
    }
}
