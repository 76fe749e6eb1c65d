//! Turns on a real executor: nothing is lost, whatever the order in which threads come by.

use super::turns::{Place, in_turn};
use super::*;
use std::future::pending;
use std::sync::atomic::AtomicUsize;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

fn executor(threads: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

fn shares(slots: usize) -> (Shares, Arc<AtomicUsize>) {
    let kicks = Arc::new(AtomicUsize::new(0));
    let counted = kicks.clone();
    (Shares::new(slots, move || _ = counted.fetch_add(1, Ordering::Relaxed)), kicks)
}

fn within<T>(executor: &Runtime, future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    executor.block_on(async { tokio::time::timeout(limit, future).await.expect("the test hangs") })
}

#[test]
fn no_more_run_at_once_than_there_are_slots_and_all_come_to_their_end() {
    for slots in [1, 2, 3] {
        let executor = executor(4);
        let (shares, _) = shares(slots);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut ends = Vec::new();
        for n in 0..60 {
            let session = shares.session(["a", "b", "c"][n % 3]);
            let place = Place::new(&session, || None);
            let (turns, running, most) = (place.turns(), running.clone(), most.clone());
            ends.push(executor.spawn(place.take_turns(async move {
                for _ in 0..100 {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::hint::black_box((0..500).sum::<u64>());
                    running.fetch_sub(1, Ordering::SeqCst);
                    turns.give_way().await;
                }
            })));
        }
        for end in ends {
            within(&executor, end).unwrap();
        }
        let most = most.load(Ordering::SeqCst);
        assert!((1..=slots).contains(&most), "{most} ran at once on {slots} slots");
        assert!(!shares.core.is_busy());
        assert!(shares.figures("a").unwrap().cpu > Duration::ZERO);
    }
}

#[test]
fn no_wake_up_is_lost_while_others_are_dropped_in_the_middle() {
    const RING: usize = 50;
    const ROUNDS: usize = 300;
    let executor = executor(4);
    let (shares, _) = shares(2);
    // A token that goes round: each waits for it, and hands it on.
    let (mut senders, mut receivers): (Vec<_>, Vec<_>) = (0..RING).map(|_| mpsc::channel::<usize>(1)).unzip();
    let first = senders[0].clone();
    senders.rotate_left(1);
    let session = shares.session("ring");
    let mut ends = Vec::new();
    for (receiver, sender) in receivers.drain(..).zip(senders) {
        let place = Place::new(&session, || None);
        let mut receiver = receiver;
        ends.push(executor.spawn(place.take_turns(async move {
            while let Some(round) = receiver.recv().await {
                // The last to have it drops its end, and so do all that waited for it.
                if round == RING * ROUNDS || sender.send(round + 1).await.is_err() {
                    return;
                }
            }
        })));
    }
    // Others that are always busy, and are dropped whatever they are at.
    let noise = shares.session("noise");
    let noisy = executor.spawn({
        let handle = executor.handle().clone();
        async move {
            for n in 0..400_u32 {
                let place = Place::new(&noise, || None);
                let turns = place.turns();
                let task = handle.spawn(place.take_turns(async move {
                    loop {
                        turns.give_way().await;
                    }
                }));
                for _ in 0..n % 7 {
                    tokio::task::yield_now().await;
                }
                task.abort();
                let _ = task.await;
            }
        }
    });
    within(&executor, first.send(0)).unwrap();
    drop(first);
    for end in ends {
        within(&executor, end).unwrap();
    }
    within(&executor, noisy).unwrap();
    assert!(!shares.core.is_busy());
}

#[test]
fn a_place_whose_task_never_began_is_given_back() {
    let (shares, _) = shares(1);
    let session = shares.session("a");
    {
        let executor = executor(1);
        let place = Place::new(&session, || None);
        assert!(shares.core.is_busy());
        executor.handle().clone().spawn(place.take_turns(std::future::pending()));
        executor.shutdown_background();
    }
    // The executor's threads end in the background; the task is dropped with the last of them.
    let executor = executor(1);
    within(&executor, async {
        while shares.core.is_busy() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_panic_gives_its_slot_back() {
    let executor = executor(1);
    let (shares, _) = shares(1);
    let session = shares.session("a");
    let task = executor.spawn(Place::new(&session, || None).take_turns(async { panic!("a guest's runtime fails") }));
    assert!(within(&executor, task).unwrap_err().is_panic());
    assert!(!shares.core.is_busy());
    within(&executor, executor.spawn(Place::new(&session, || None).take_turns(async {}))).unwrap();
}

#[test]
fn what_wakes_a_guest_before_it_pauses_in_the_same_poll_is_not_lost() {
    let executor = executor(1);
    let (shares, _) = shares(1);
    let place = Place::new(&shares.session("a"), || None);
    let turns = place.turns();
    let mut is_second = false;
    let task = executor.spawn(place.take_turns(std::future::poll_fn(move |context| {
        if std::mem::replace(&mut is_second, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        turns.pause();
        turns.resume();
        std::task::Poll::Pending
    })));
    within(&executor, task).unwrap();
}

#[test]
fn a_newcomer_of_another_tenant_asks_for_the_slot() {
    let executor = executor(2);
    let (shares, kicks) = shares(1);
    let (busy, late) = (shares.session("busy"), shares.session("late"));
    let place = Place::new(&busy, || None);
    let turns = place.turns();
    let (began, has_begun) = std::sync::mpsc::channel();
    let task = executor.spawn(place.take_turns(async move {
        began.send(()).unwrap();
        // As a guest does at each epoch.
        while !turns.slice_is_over() {
            std::hint::spin_loop();
        }
        turns.give_way().await;
    }));
    has_begun.recv().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let newcomer = executor.spawn(Place::new(&late, || None).take_turns(async {}));
    within(&executor, newcomer).unwrap();
    within(&executor, task).unwrap();
    assert_eq!(kicks.load(Ordering::Relaxed), 1);
    assert!(late.figures().waited < shares.figures("busy").unwrap().cpu);
}

#[test]
fn shares_are_kept_by_name_and_forgotten_with_the_last_session() {
    let (shares, _) = shares(1);
    assert_eq!((shares.get("a"), shares.figures("a")), (Share::default(), None));
    let given = Share { weight: 300, cpu_ms_per_s: NonZeroU32::new(50) };
    shares.set("a", given);
    assert_eq!(shares.get("a"), given);
    for (weight, taken) in [(0, 1), (1, 1), (WEIGHT_MAX, WEIGHT_MAX), (u32::MAX, WEIGHT_MAX)] {
        shares.set("a", Share { weight, ..given });
        assert_eq!(shares.get("a").weight, taken);
    }
    let session = shares.session("a");
    session.charge(Duration::from_millis(7));
    shares.forget("a");
    assert_eq!(shares.figures("a").unwrap().cpu, Duration::from_millis(7));
    assert_eq!(session.figures().cpu, Duration::from_millis(7));
    drop(session);
    assert_eq!((shares.figures("a"), shares.all().len()), (None, 0));
    // Who comes back after it was forgotten is as new.
    shares.forget("a");
    let again = shares.session("a");
    assert_eq!(shares.get("a"), Share::default());
    drop(again);
    assert!(shares.figures("a").is_some());
}

#[test]
fn work_of_the_hosts_has_a_turn_and_is_charged() {
    let executor = executor(2);
    let (shares, _) = shares(1);
    let session = shares.session("a");
    let worked = in_turn(executor.handle(), &session, || (0..1_000_000u64).map(std::hint::black_box).sum(), pending());
    assert_eq!(within(&executor, worked).unwrap(), Some(499_999_500_000u64));
    let figures = shares.figures("a").unwrap();
    assert!(figures.cpu > Duration::ZERO && session.figures().cpu == figures.cpu, "{figures:?}");
    let failed = within(&executor, in_turn(executor.handle(), &session, || panic!("the host's work fails"), pending()));
    assert!(failed.is_err_and(|error| error.is_panic()));
    assert!(!shares.core.is_busy());
}

#[test]
fn work_of_the_hosts_waits_for_a_quota_and_can_be_given_up_until_it_has_begun() {
    let executor = executor(2);
    let (shares, _) = shares(1);
    let session = shares.session("a");
    shares.set("a", Share { cpu_ms_per_s: std::num::NonZeroU32::new(1), ..Share::default() });
    session.charge(Duration::from_secs(3600));
    let done = Arc::new(AtomicUsize::new(0));
    let count = |done: &Arc<AtomicUsize>| {
        let done = done.clone();
        move || done.fetch_add(1, Ordering::SeqCst)
    };
    // Given up, and nobody there any more.
    let given_up = in_turn(executor.handle(), &session, count(&done), std::future::ready(()));
    assert_eq!(within(&executor, given_up).unwrap(), None);
    let left = in_turn(executor.handle(), &session, count(&done), pending());
    within(&executor, async { tokio::time::timeout(Duration::from_millis(20), left).await.unwrap_err() });
    // It waits until there is time again, and nothing that was given up comes then.
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let (handle, share, work) = (executor.handle().clone(), session.clone(), count(&done));
    let waits = executor.spawn(async move { in_turn(&handle, &share, work, async { drop(gone.await) }).await });
    shares.set("a", Share::default());
    assert_eq!(within(&executor, waits).unwrap().unwrap(), Some(0));
    assert_eq!(done.load(Ordering::SeqCst), 1);
    drop(go);
    // What has begun is not given up: it is asked to while it works.
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (asked, was_asked) = std::sync::mpsc::channel();
    let work = move || {
        begun.send(()).unwrap();
        was_asked.recv_timeout(Duration::from_secs(60)).unwrap();
        7
    };
    let given_up = async move {
        has_begun.await.unwrap();
        asked.send(()).unwrap();
    };
    assert_eq!(within(&executor, in_turn(executor.handle(), &session, work, given_up)).unwrap(), Some(7));
    assert!(!shares.core.is_busy());
}
