use super::*;

#[test]
fn what_is_inside_is_given_and_what_is_not_is_a_fault() {
    let mut memory = vec![0; 64];
    put_u32(&mut memory, 60, 0x0403_0201).unwrap();
    assert_eq!(slice(&memory, 60, 4).unwrap(), [1, 2, 3, 4]);
    assert_eq!(slice(&memory, 64, 0).unwrap(), [0u8; 0]);
    assert_eq!(put_u32(&mut memory, 61, 1), Err(Errno::EFAULT));
    assert_eq!(slice(&memory, 65, 0), Err(Errno::EFAULT));
    assert_eq!(slice(&memory, u32::MAX, u32::MAX), Err(Errno::EFAULT));
    assert_eq!(get_u64(&memory, u32::MAX - 3), Err(Errno::EFAULT));
}

#[test]
fn buffers_are_checked_before_any_is_used() {
    let mut memory = vec![0; 256];
    for (index, (at, len)) in [(100u32, 4u32), (104, 0), (200, 56)].into_iter().enumerate() {
        put_u32(&mut memory, index as u32 * 8, at).unwrap();
        put_u32(&mut memory, index as u32 * 8 + 4, len).unwrap();
    }
    assert_eq!(buffers(&memory, 0, 3).unwrap().len(), 3);
    put_u32(&mut memory, 20, 57).unwrap();
    assert_eq!(buffers(&memory, 0, 3), Err(Errno::EFAULT));
    assert_eq!(buffers(&memory, 0, VECTORS_MAX + 1), Err(Errno::EINVAL));
    assert_eq!(buffers(&memory, 252, 1), Err(Errno::EFAULT));
}

#[test]
fn bytes_are_scattered_in_order_even_over_overlapping_buffers() {
    let mut memory = vec![b'.'; 16];
    let list = [Buffer { at: 0, len: 3 }, Buffer { at: 8, len: 0 }, Buffer { at: 2, len: 4 }];
    let mut scatter = Scatter::new(&list);
    assert_eq!(scatter.room(), 7);
    scatter.put(&mut memory, b"ab");
    scatter.put(&mut memory, b"cdefgh");
    assert_eq!(&memory[..7], b"abdefg.");
}
