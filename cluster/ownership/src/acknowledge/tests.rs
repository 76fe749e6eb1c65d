use super::*;

const NONE: Marks = Marks { made: 9, local: 0, hot: 0, stored: 0, asked: 9 };

fn asked(tier: Tier, level: Level, marks: Marks, confirmed: Marks, lease: bool) -> Result<Proof, Lacks> {
    judge(Wanted { seq: 5, ask: 5, level }, Known { tier, marks, confirmed, lease }, Rules::ALL)
}

#[test]
fn scratch_needs_the_right_to_speak() {
    let tier = Tier::Scratch;
    assert_eq!(asked(tier, Level::Tier, NONE, Marks::default(), true), Ok(Proof::Lease));
    assert_eq!(asked(tier, Level::Tier, NONE, Marks::default(), false), Err(Lacks::Record));
    assert_eq!(asked(tier, Level::Tier, NONE, Marks { made: 4, ..Marks::default() }, false), Err(Lacks::Record));
    assert_eq!(asked(tier, Level::Tier, NONE, Marks { made: 5, ..Marks::default() }, false), Ok(Proof::Record));
}

#[test]
fn checkpoint_needs_the_local_log_too() {
    let local = Marks { local: 5, ..NONE };
    assert_eq!(asked(Tier::Checkpoint, Level::Tier, NONE, Marks::default(), true), Err(Lacks::Local));
    assert_eq!(asked(Tier::Checkpoint, Level::Tier, local, Marks::default(), true), Ok(Proof::Lease));
    assert_eq!(asked(Tier::Checkpoint, Level::Tier, local, Marks { local: 4, ..NONE }, false), Err(Lacks::Record));
}

#[test]
fn a_journal_needs_its_fence_or_the_store_and_never_a_lease() {
    let tier = Tier::Journal;
    assert_eq!(asked(tier, Level::Tier, NONE, Marks::default(), true), Err(Lacks::Hot));
    assert_eq!(asked(tier, Level::Tier, Marks { hot: 5, ..NONE }, Marks::default(), false), Ok(Proof::Fence));
    assert_eq!(asked(tier, Level::Tier, Marks { stored: 5, ..NONE }, Marks::default(), true), Err(Lacks::Record));
    assert_eq!(asked(tier, Level::Tier, Marks { stored: 5, ..NONE }, Marks { stored: 5, ..NONE }, false), Ok(Proof::Record));
}

#[test]
fn strict_needs_the_store_whatever_else_there_is() {
    let marks = Marks { local: 9, hot: 9, ..NONE };
    assert_eq!(asked(Tier::Strict, Level::Tier, marks, marks, true), Err(Lacks::Segment));
    assert_eq!(asked(Tier::Strict, Level::Tier, Marks { stored: 5, ..marks }, marks, true), Err(Lacks::Record));
}

#[test]
fn a_keyed_start_is_fenced_on_every_tier() {
    for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Strict] {
        assert_eq!(asked(tier, Level::Fenced, Marks { local: 9, ..NONE }, NONE, true), Err(Lacks::Segment));
    }
    assert_eq!(asked(Tier::Journal, Level::Fenced, NONE, NONE, true), Err(Lacks::Hot));
}

#[test]
fn the_right_to_speak_is_asked_for_anew_each_time() {
    assert_eq!(asked(Tier::Strict, Level::Right, NONE, Marks { asked: 4, ..NONE }, false), Err(Lacks::Record));
    assert_eq!(asked(Tier::Strict, Level::Right, NONE, Marks { asked: 5, ..NONE }, false), Ok(Proof::Record));
}
