use super::*;
use crate::name::{Incarnation, NodeId};
use proptest::prelude::*;

fn owner(number: u32) -> Owner {
    Owner { node: NodeId(number), incarnation: Incarnation(7) }
}

fn any_change() -> impl Strategy<Value = Change> {
    let stored = (0u64..3, 1u64..3).prop_map(|(gap, length)| (gap, length));
    prop_oneof![
        Just(Change::Create { tenant: TenantId(1), tier: Tier::Strict }),
        Just(Change::Claim),
        stored.clone().prop_map(|(gap, length)| Change::Settle(segments(gap, length))),
        stored.prop_map(|(gap, length)| Change::Commit(segments(gap, length))),
        (0u64..40, 0u64..40).prop_map(|(part, upto)| Change::Note(Note { part, upto })),
        Just(Change::Reaffirm),
        Just(Change::Rest),
        (1u32..4).prop_map(|to| Change::Grant(owner(to))),
        (0u8..20).prop_map(|often| if often == 0 { Change::Delete(Wall(5)) } else { Change::Reaffirm }),
        (0u8..20).prop_map(|often| if often == 0 { Change::Fail } else { Change::Rest }),
    ]
}

/// Behind event 0; moved behind what the record has by [`fitting`].
fn segments(gap: u64, length: u64) -> Stored {
    let first = 1 + gap;
    Stored { segments: vec![Segment { epoch: Epoch::FIRST, first, last: first + length - 1 }], keys: Keys::default() }
}

fn fitting(change: Change, durable: u64) -> Change {
    let moved = |mut stored: Stored| {
        for segment in &mut stored.segments {
            segment.first += durable;
            segment.last += durable;
        }
        stored
    };
    match change {
        Change::Settle(stored) => Change::Settle(moved(stored)),
        Change::Commit(stored) => Change::Commit(moved(stored)),
        other => other,
    }
}

proptest! {
    /// Epochs, durable events and writes never fall; an epoch has one owner; what is deleted stays so; segments have no gap.
    #[test]
    fn whatever_is_done_to_a_record(changes in proptest::collection::vec((1u32..4, any_change()), 1..60)) {
        let mut record: Option<Record> = None;
        for (by, change) in changes {
            let change = fitting(change, record.as_ref().map_or(0, |record| record.durable));
            let Ok(new) = Record::after(record.as_ref(), owner(by), &change, Rules::ALL) else { continue };
            if let Some(old) = &record {
                prop_assert!(new.epoch >= old.epoch && new.durable >= old.durable && new.writes > old.writes);
                let was_deleted = matches!(old.standing, Standing::Deleted { .. });
                prop_assert!(!was_deleted);
                if let (Standing::Owned(one), Standing::Owned(two)) = (old.standing, new.standing) && one != two {
                    prop_assert!(new.epoch > old.epoch, "two owners in one epoch");
                }
                prop_assert!(new.open.is_none_or(|open| open <= new.epoch));
            }
            let upto = new.noted.upto;
            prop_assert!(new.segments.iter().all(|segment| segment.last > upto), "what nobody needs is named");
            let mut next = new.segments.first().map_or(upto + 1, |first| first.first.min(upto + 1));
            for segment in &new.segments {
                prop_assert_eq!(segment.first, next);
                next = segment.last + 1;
            }
            prop_assert_eq!(next, new.durable + 1);
            record = Some(new);
        }
    }
}

#[test]
fn a_session_taken_from_a_dead_owner_is_settled_before_anything_else() {
    let made = Record::created(owner(1), TenantId(1), Tier::Journal);
    let taken = Record::after(Some(&made), owner(2), &Change::Claim, Rules::ALL).unwrap();
    assert_eq!((taken.epoch.get(), taken.open), (2, Some(Epoch::FIRST)), "entries of epoch 1 still count");
    for change in [Change::Rest, Change::Reaffirm, Change::Grant(owner(3))] {
        assert_eq!(Record::after(Some(&taken), owner(2), &change, Rules::ALL), Err(Refusal::Unsettled));
    }
    let late = Change::Commit(segments(0, 1));
    assert_eq!(Record::after(Some(&taken), owner(1), &late, Rules::ALL), Err(Refusal::NotOwner));
    let settled = Record::after(Some(&taken), owner(2), &Change::Settle(segments(0, 2)), Rules::ALL).unwrap();
    assert!(settled.is_settled());
    assert_eq!(settled.lineage.position(3).map(|at| at.epoch.get()), Some(2));
}

#[test]
fn the_table_has_every_state_and_change_once() {
    let table = table();
    assert_eq!(table.0.len(), 8 * 10);
    let allowed = table.0.iter().filter(|line| line.to.is_ok()).count();
    assert_eq!(allowed, 20, "{table}");
    assert!(table.0.iter().filter(|line| line.from == "deleted").all(|line| line.to == Err(Refusal::Deleted)));
}
