use super::{FROM, HEADER, Memory, Unknown, import_memories};

fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    for (kind, payload) in sections {
        bytes.extend([*kind, u8::try_from(payload.len()).unwrap()]);
        bytes.extend(*payload);
    }
    bytes
}

/// An import of a memory of ours, with these limits.
fn ours(number: u8, limits: &[u8]) -> Vec<u8> {
    let mut entry = vec![FROM.len() as u8];
    entry.extend(FROM.as_bytes());
    entry.extend([1, b'0' + number, 2]);
    entry.extend(limits);
    entry
}

const ONE_PAGE: Memory = Memory { initial: 1, maximum: None, shared: false, wide: false };

#[test]
fn a_memory_becomes_the_last_import() {
    // type, import of a function a.b, function, memory, export
    let before = module(&[(1, &[1, 0x60, 0, 0]), (2, &[1, 1, b'a', 1, b'b', 0, 0]), (5, &[1, 0, 1]), (7, &[0])]);
    let entry = ours(0, &[0, 1]);
    let mut imports = vec![2, 1, b'a', 1, b'b', 0, 0];
    imports.extend(&entry);
    let after = module(&[(1, &[1, 0x60, 0, 0]), (2, &imports), (7, &[0])]);
    assert_eq!(import_memories(&before), Ok(Some((vec![ONE_PAGE], after))));
}

#[test]
fn the_imports_stand_before_all_but_types_and_what_a_tool_wrote_there() {
    let custom: &[u8] = &[1, b'x', 9];
    let before = module(&[(0, custom), (1, &[0]), (0, custom), (3, &[0]), (5, &[2, 0, 1, 3, 2, 7]), (0, custom)]);
    let mut imports = vec![2];
    imports.extend(ours(0, &[0, 1]));
    imports.extend(ours(1, &[3, 2, 7]));
    let after = module(&[(0, custom), (1, &[0]), (0, custom), (2, &imports), (3, &[0]), (0, custom)]);
    let shared = Memory { initial: 2, maximum: Some(7), shared: true, wide: false };
    assert_eq!(import_memories(&before), Ok(Some((vec![ONE_PAGE, shared], after))));
}

#[test]
fn numbers_may_be_long_and_addresses_wide() {
    let memories = import_memories(&module(&[(5, &[1, 5, 0x81, 0x80, 0, 0x80, 0x80, 4])])).unwrap().unwrap().0;
    assert_eq!(memories, [Memory { initial: 1, maximum: Some(1 << 16), shared: false, wide: true }]);
}

#[test]
fn a_module_that_defines_none_stays_as_it_is() {
    for sections in [&[][..], &[(5, &[0][..])], &[(2, &[1, 1, b'a', 1, b'b', 2, 0, 1][..])], &[(0, &[1, b'x'][..])]] {
        assert_eq!(import_memories(&module(sections)), Ok(None));
    }
}

#[test]
fn what_is_no_module_is_said_to_be_none() {
    let twice: &[(u8, &[u8])] = &[(5, &[1, 0, 1]), (5, &[1, 0, 1])];
    for bytes in [
        Vec::new(),
        b"\0asm\x02\0\0\0".to_vec(),
        module(twice),
        module(&[(5, &[1, 8, 1, 16])]),
        module(&[(5, &[1, 0, 1, 0])]),
        module(&[(5, &[2, 0, 1])]),
        module(&[(5, &[1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])]),
        [HEADER, &[5, 9, 1]].concat(),
        [HEADER, &[5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]].concat(),
    ] {
        assert_eq!(import_memories(&bytes), Err(Unknown), "{bytes:?}");
    }
}

#[test]
fn a_module_defines_no_more_than_256_memories() {
    let many = |count: u16| {
        let mut payload = vec![(count & 0x7f) as u8 | 0x80, (count >> 7) as u8];
        payload.extend([0, 0].repeat(count.into()));
        let mut bytes = HEADER.to_vec();
        bytes.extend([5, (payload.len() & 0x7f) as u8 | 0x80, (payload.len() >> 7) as u8]);
        bytes.extend(payload);
        import_memories(&bytes).map(|found| found.unwrap().0.len())
    };
    assert_eq!((many(256), many(257)), (Ok(256), Err(Unknown)));
}
