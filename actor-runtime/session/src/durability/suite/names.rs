//! Sessions get other names and specs.

use super::{IDS, Place, audit, claimed, created, new, tenant};
use crate::durability::{Durability, DurabilityError};
use crate::id::{SessionId, SessionName};
use crate::spec::{SessionSpec, Tier};
use futures_util::future::join_all;
use std::sync::Arc;
use warren_kernel::host::{Host, Timestamp};

async fn found(kept: &Arc<dyn Durability>, name: &str) -> Option<SessionId> {
    kept.find(&tenant(), &name.parse().expect("a name")).await.expect("it finds")
}

pub(super) async fn a_session_gets_another_name_and_spec(place: &mut impl Place) {
    for tier in [Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        let (kept, name) = (place.open(), |text: &str| format!("{text}-{tier:?}").to_lowercase());
        let mut owner = created(&kept, Some(&name("old")), tier).await;
        let id = owner.claimed.summary.id;
        let labels = std::collections::BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let life = Some(std::time::Duration::from_secs(60));
        let spec =
            SessionSpec { durability: tier, labels: labels.clone(), time_to_live: life, ..SessionSpec::default() };
        let spec = Arc::new(spec);
        let new: SessionName = name("new").parse().expect("a name");
        owner.claim().amend(Some(new.clone()), spec.clone()).await.expect("it is changed");
        // What the journal holds and what comes later go on from it.
        let changed = owner.write("file", b"one");
        if tier != Tier::Scratch {
            owner.append(vec![audit("after")], Some(changed)).await.expect("it is kept");
        }
        assert_eq!((found(&kept, new.as_str()).await, found(&kept, &name("old")).await), (Some(id), None));
        drop((owner, kept));
        let kept = place.open();
        let known = kept.describe(&tenant(), id).await.expect("it is known");
        assert_eq!((known.name, &known.labels), (Some(new.clone()), &labels));
        assert_eq!(known.expires, Some(Timestamp(IDS.realtime().0 + 60_000_000_000)));
        let owner = claimed(&kept, id).await;
        assert_eq!(*owner.claimed.spec, *spec);
        assert_eq!(owner.read("file").is_some(), tier != Tier::Scratch);
        // Its old name, and none, and its old name again.
        let old: SessionName = name("old").parse().expect("a name");
        owner.claim().amend(Some(old.clone()), spec.clone()).await.expect("it is changed");
        owner.claim().amend(None, spec.clone()).await.expect("it is changed");
        assert_eq!((found(&kept, new.as_str()).await, found(&kept, old.as_str()).await), (None, None));
        owner.claim().amend(Some(old.clone()), spec.clone()).await.expect("it is changed");
        owner.claim().amend(Some(old.clone()), spec.clone()).await.expect("the same again is no change");
        let point = owner.point();
        owner.claim().hibernate(point).await.expect("it rests");
        assert!(matches!(owner.claim().amend(None, spec).await, Err(DurabilityError::Fenced(_))));
        assert_eq!(found(&kept, old.as_str()).await, Some(id));
        assert_eq!(kept.describe(&tenant(), id).await.expect("it is known").name, Some(old));
    }
}

pub(super) async fn of_two_that_want_a_name_one_has_it(place: &mut impl Place) {
    let kept = place.open();
    let first = created(&kept, Some("first"), Tier::Journal).await;
    let spec = first.claimed.spec.clone();
    created(&kept, Some("taken"), Tier::Journal).await;
    let taken: SessionName = "taken".parse().expect("a name");
    let refused = first.claim().amend(Some(taken.clone()), spec.clone()).await;
    assert!(matches!(refused, Err(DurabilityError::NameTaken(name)) if name == taken));
    assert_eq!(found(&kept, "first").await, Some(first.claimed.summary.id), "nothing was changed");
    let owners = join_all((0..8).map(|_| created(&kept, None, Tier::Journal))).await;
    let wanted: SessionName = "wanted".parse().expect("a name");
    let amended = join_all(owners.iter().map(|owner| owner.claim().amend(Some(wanted.clone()), spec.clone()))).await;
    let won: Vec<_> = owners.iter().zip(&amended).filter(|(_, amended)| amended.is_ok()).collect();
    assert_eq!(won.len(), 1, "{amended:?}");
    assert_eq!(found(&kept, "wanted").await, Some(won[0].0.claimed.summary.id));
    // The name before is free for others, and a new session cannot have the one after.
    assert!(kept.create(new(Some("wanted"), Tier::Journal)).await.is_err());
    first.claim().amend(Some("other".parse().expect("a name")), spec).await.expect("it is changed");
    created(&kept, Some("first"), Tier::Journal).await;
    first.claim().delete().await.expect("it goes");
    assert_eq!(found(&kept, "other").await, None);
    assert!(found(&kept, "first").await.is_some());
}
