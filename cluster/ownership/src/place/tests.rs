use super::*;
use crate::name::{Incarnation, NodeId};

fn peer(number: u32, free_mib: u32) -> Peer {
    let owner = Owner { node: NodeId(number), incarnation: Incarnation(u64::from(number) * 10) };
    Peer { owner, free_mib, draining: false }
}

#[test]
fn sessions_are_shared_out_by_free_memory() {
    let peers = [peer(1, 1000), peer(2, 1000), peer(3, 2000)];
    let mut counts = [0u32; 4];
    for number in 0..40_000u128 {
        counts[place(SessionId(number << 80 | 7), &peers).unwrap().node.0 as usize] += 1;
    }
    for (count, wanted) in counts[1..].iter().zip([10_000u32, 10_000, 20_000]) {
        assert!(count.abs_diff(wanted) < wanted / 20, "{counts:?}");
    }
}

#[test]
fn a_node_that_goes_moves_only_its_own_sessions() {
    let (all, fewer) = ([peer(1, 500), peer(2, 900), peer(3, 700)], [peer(1, 500), peer(3, 700)]);
    for number in 0..2000 {
        let (before, after) = (place(SessionId(number), &all).unwrap(), place(SessionId(number), &fewer).unwrap());
        assert!(before == after || before.node == NodeId(2));
    }
}

#[test]
fn nobody_who_drains_is_chosen_and_none_among_none() {
    let draining = Peer { draining: true, ..peer(1, 9000) };
    assert!((0..100).all(|number| place(SessionId(number), &[draining, peer(2, 1)]) == Some(peer(2, 1).owner)));
    assert_eq!(place(SessionId(1), &[draining]), None);
    assert_eq!(place(SessionId(1), &[]), None);
    assert!(place(SessionId(1), &[peer(1, 0)]).is_some(), "a full node is better than none");
}
