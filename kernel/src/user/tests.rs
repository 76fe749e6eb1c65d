use super::*;

fn of(real: u32, effective: u32, saved: u32) -> Credentials {
    let mut who = Credentials::new(Uid(real), Gid(real));
    (who.euid, who.suid, who.egid, who.sgid) = (Uid(effective), Uid(saved), Gid(effective), Gid(saved));
    who
}

#[test]
fn root_sets_all_ids_and_others_choose_among_their_own() {
    let mut root = of(0, 0, 0);
    assert_eq!(root.set_uid(Uid(5)), Ok(()));
    assert_eq!((root.uid, root.euid, root.suid), (Uid(5), Uid(5), Uid(5)));
    assert_eq!(root.set_uid(Uid(0)), Err(Errno::EPERM), "there is no way back");
    let mut user = of(1, 2, 3);
    assert_eq!(user.set_uid(Uid(3)), Ok(()));
    assert_eq!((user.uid, user.euid, user.suid), (Uid(1), Uid(3), Uid(3)), "only the effective one");
    assert_eq!(user.set_res_uid(Some(Uid(3)), Some(Uid(1)), None), Ok(()));
    assert_eq!(user.set_res_uid(None, None, Some(Uid(9))), Err(Errno::EPERM));
    assert_eq!((user.uid, user.euid, user.suid), (Uid(3), Uid(1), Uid(3)));
    let mut user = of(1, 2, 3);
    assert_eq!(user.set_gid(Gid(1)), Ok(()));
    assert_eq!((user.gid, user.egid, user.sgid), (Gid(1), Gid(1), Gid(3)));
    assert_eq!(user.set_res_gid(Some(Gid(0)), None, None), Err(Errno::EPERM));
    assert_eq!(of(1, 0, 1).set_gid(Gid(7)), Ok(()), "the effective user counts");
}

#[test]
fn groups_are_roots_to_give_and_bounded() {
    let groups = |count: u32| (0..count).map(Gid).collect::<Vec<_>>();
    assert_eq!(of(1, 1, 1).set_groups(groups(1)), Err(Errno::EPERM));
    assert_eq!(of(0, 0, 0).set_groups(groups(64)), Ok(()));
    assert_eq!(of(0, 0, 0).set_groups(groups(65)), Err(Errno::EINVAL));
}

/// All modes, owners and wants, against the rule of POSIX 4.5 said once more and more slowly.
#[test]
fn every_combination_of_bits() {
    let mut member = of(3, 3, 3);
    member.groups = vec![Gid(8), Gid(7)];
    for bits in 0..0o1000 {
        let mode = Mode::new(bits);
        for (who, triad) in [(&of(9, 1, 9), bits >> 6), (&member, bits >> 3), (&of(4, 4, 4), bits)] {
            for want in 0..8 {
                let want = Access { read: want & 4 != 0, write: want & 2 != 0, execute: want & 1 != 0 };
                let may = (!want.read || triad & 4 != 0)
                    && (!want.write || triad & 2 != 0)
                    && (!want.execute || triad & 1 != 0);
                let answer = who.check(FileKind::Regular, mode, Uid(1), Gid(7), want);
                assert_eq!(answer.is_ok(), may, "{bits:o} {want:?} {who:?}");
            }
        }
        let root = of(0, 0, 0);
        let execute = |kind| root.check(kind, mode, Uid(1), Gid(7), Access::EXECUTE).is_ok();
        assert_eq!(execute(FileKind::Regular), bits & 0o111 != 0);
        assert!(execute(FileKind::Directory));
        assert!(
            root.check(FileKind::Regular, mode, Uid(1), Gid(7), Access { execute: false, ..Access::WRITE }).is_ok()
        );
    }
    assert_eq!((of(1, 2, 3).as_real().euid, of(1, 2, 3).as_real().egid), (Uid(1), Gid(1)));
}
