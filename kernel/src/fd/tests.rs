use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(open: u32) -> Descriptor {
    Descriptor { open: OpenId(open), close_on_exec: false }
}

#[test]
fn an_empty_table_knows_nothing() {
    let mut table = FdTable::default();
    for fd in [Fd(0), Fd(u32::MAX)] {
        assert_eq!(table.get(fd), Err(Errno::EBADF));
        assert_eq!(table.take(fd), Err(Errno::EBADF));
        assert_eq!(table.set_close_on_exec(fd, true), Err(Errno::EBADF));
    }
    assert_eq!(table.lowest_free(Fd(0), 0), Err(Errno::EMFILE));
    assert_eq!(table.lowest_free(Fd(u32::MAX), u64::MAX), Err(Errno::EMFILE));
    assert_eq!(table.lowest_free(Fd(DESCRIPTORS_MAX as u32 - 1), u64::MAX), Ok(Fd(DESCRIPTORS_MAX as u32 - 1)));
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec((0..4u8, 0..12u32, 0..14u64), 1..60)) {
        let mut table = FdTable::default();
        let mut model: BTreeMap<u32, Descriptor> = BTreeMap::new();
        for (what, fd, number) in steps {
            match what {
                0 => prop_assert_eq!(table.put(Fd(fd), at(number as u32)), model.insert(fd, at(number as u32))),
                1 => prop_assert_eq!(table.take(Fd(fd)).ok(), model.remove(&fd)),
                2 => {
                    let free = (fd..).find(|fd| !model.contains_key(fd)).filter(|free| u64::from(*free) < number);
                    prop_assert_eq!(table.lowest_free(Fd(fd), number).ok(), free.map(Fd));
                }
                _ => {
                    let done = table.set_close_on_exec(Fd(fd), true);
                    prop_assert_eq!(done.is_ok(), model.contains_key(&fd));
                    model.entry(fd).and_modify(|descriptor| descriptor.close_on_exec = true);
                }
            }
            prop_assert!(table.iter().eq(model.iter().map(|(fd, descriptor)| (Fd(*fd), *descriptor))));
            prop_assert_eq!((table.len(), table.is_empty()), (model.len(), model.is_empty()));
        }
    }
}
