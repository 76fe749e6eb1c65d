use super::*;

#[test]
fn numbers_names_and_sets() {
    for number in 1..=31 {
        let signal = Signal::new(number).unwrap();
        assert_eq!(u32::from(signal.number()), number);
        assert_ne!(signal.name(), "?");
        let set = SignalSet::default().with(signal);
        assert_eq!(set.0, 1 << (number - 1), "the bits of Linux's sigset");
        assert!(set.contains(signal) && !SignalSet(!set.0).contains(signal));
        assert_eq!(SignalSet(u64::MAX).minus(set).plus(set), SignalSet(u64::MAX));
    }
    for number in [0, 32, 64, 255, 256, 265, u32::MAX] {
        assert_eq!(Signal::new(number), Err(Errno::EINVAL));
    }
    assert!(SignalSet::UNBLOCKABLE.contains(Signal::KILL) && SignalSet::UNBLOCKABLE.contains(Signal::STOP));
    assert_eq!(SignalSet::UNBLOCKABLE.0.count_ones(), 2);
    assert_eq!((Signal::KILL.to_string(), format!("{:?}", Signal::CHLD)), ("SIGKILL".into(), "SIGCHLD".into()));
    assert!(rmp_serde::from_slice::<Signal>(&rmp_serde::to_vec(&32u8).unwrap()).is_err());
}

#[test]
fn an_image_and_a_child_begin_without_handlers() {
    let mut signals = Signals { blocked: SignalSet(5), pending: SignalSet(1 << 9), ..Signals::default() };
    signals.set_disposition(Signal::INT, Disposition::Ignore).unwrap();
    signals.set_disposition(Signal::USR1, Disposition::Catch { mask: SignalSet(1), flags: 2 }).unwrap();
    let image = signals.after_exec();
    assert_eq!(image.disposition(Signal::INT), Disposition::Ignore);
    assert_eq!(image.disposition(Signal::USR1), Disposition::Default);
    assert_eq!((image.blocked, image.pending), (SignalSet(5), SignalSet(1 << 9)));
    assert_eq!((signals.for_child().blocked, signals.for_child().pending), (SignalSet(5), SignalSet(0)));
}

#[test]
fn setting_a_signal_that_is_ignored_anyway_discards_it() {
    let catch = Disposition::Catch { mask: SignalSet(0), flags: 0 };
    for (signal, kept) in [(Signal::CHLD, false), (Signal::TERM, true)] {
        let mut signals = Signals::default();
        signals.set_disposition(signal, catch).unwrap();
        signals.pending = signals.pending.with(signal);
        signals.set_disposition(signal, Disposition::Default).unwrap();
        assert_eq!(signals.pending.contains(signal), kept, "{signal}");
    }
}

#[test]
fn the_first_doom_stays_but_for_kill() {
    let doom = Doom::default();
    assert_eq!(doom.get(), None);
    for (sent, is) in [
        (Signal::TERM, Signal::TERM),
        (Signal::INT, Signal::TERM),
        (Signal::KILL, Signal::KILL),
        (Signal::TERM, Signal::KILL),
    ] {
        doom.set(sent);
        assert_eq!(doom.get(), Some(is));
    }
}
