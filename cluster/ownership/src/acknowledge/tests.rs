use super::*;

const NO: Confirmed = Confirmed { stored: 0, asked: 0 };
const NONE: Marks = Marks { made: 9, local: 0, hot: 0, stored: 0, asked: 9 };

fn asked(tier: Tier, level: Level, marks: Marks, confirmed: Confirmed, lease: bool) -> Result<Proof, Lacks> {
    judge(Wanted { seq: 5, ask: 5, level }, Known { tier, marks, confirmed, lease }, Rules::ALL)
}

#[test]
fn scratch_needs_the_right_to_speak() {
    let tier = Tier::Scratch;
    assert_eq!(asked(tier, Level::Tier, NONE, NO, true), Ok(Proof::Lease));
    assert_eq!(asked(tier, Level::Tier, NONE, NO, false), Err(Lacks::Record));
    assert_eq!(asked(tier, Level::Tier, NONE, Confirmed { stored: 9, asked: 4 }, false), Err(Lacks::Record));
    assert_eq!(asked(tier, Level::Tier, NONE, Confirmed { stored: 0, asked: 5 }, false), Ok(Proof::Record));
}

#[test]
fn checkpoint_needs_the_local_log_too() {
    let local = Marks { local: 5, ..NONE };
    assert_eq!(asked(Tier::Checkpoint, Level::Tier, NONE, NO, true), Err(Lacks::Local));
    assert_eq!(asked(Tier::Checkpoint, Level::Tier, local, NO, true), Ok(Proof::Lease));
    assert_eq!(
        asked(Tier::Checkpoint, Level::Tier, local, Confirmed { stored: 9, asked: 4 }, false),
        Err(Lacks::Record)
    );
}

#[test]
fn a_journal_needs_its_fence_or_the_store_and_never_a_lease() {
    let tier = Tier::Journal;
    assert_eq!(asked(tier, Level::Tier, NONE, NO, true), Err(Lacks::Hot));
    assert_eq!(asked(tier, Level::Tier, Marks { hot: 5, ..NONE }, NO, false), Ok(Proof::Fence));
    assert_eq!(asked(tier, Level::Tier, Marks { stored: 5, ..NONE }, NO, true), Err(Lacks::Record));
    assert_eq!(
        asked(tier, Level::Tier, Marks { stored: 5, ..NONE }, Confirmed { stored: 5, asked: 0 }, false),
        Ok(Proof::Record)
    );
}

#[test]
fn strict_needs_the_store_whatever_else_there_is() {
    let marks = Marks { local: 9, hot: 9, ..NONE };
    let old = Confirmed { stored: 4, asked: 9 };
    assert_eq!(asked(Tier::Strict, Level::Tier, marks, old, true), Err(Lacks::Segment));
    assert_eq!(asked(Tier::Strict, Level::Tier, Marks { stored: 5, ..marks }, old, true), Err(Lacks::Record));
}

#[test]
fn a_keyed_start_is_fenced_on_every_tier() {
    for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Strict] {
        assert_eq!(asked(tier, Level::Fenced, Marks { local: 9, ..NONE }, NO, true), Err(Lacks::Segment));
    }
    assert_eq!(asked(Tier::Journal, Level::Fenced, NONE, NO, true), Err(Lacks::Hot));
}

#[test]
fn the_right_to_speak_is_asked_for_anew_each_time() {
    assert_eq!(asked(Tier::Strict, Level::Right, NONE, Confirmed { stored: 9, asked: 4 }, false), Err(Lacks::Record));
    assert_eq!(asked(Tier::Strict, Level::Right, NONE, Confirmed { stored: 0, asked: 5 }, false), Ok(Proof::Record));
}
