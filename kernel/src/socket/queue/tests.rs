use super::*;

fn take(queue: &mut ByteQueue, want: usize) -> (Vec<u8>, Vec<OpenId>) {
    let mut got = Vec::new();
    let (count, rights) = queue.take(want, &mut |bytes| got.extend_from_slice(bytes));
    assert_eq!(count, got.len());
    (got, rights)
}

#[test]
fn rights_come_with_the_first_of_their_bytes_and_end_the_read_with_the_last() {
    let mut queue = ByteQueue::default();
    queue.push(&[b"ab"], 2, Vec::new(), usize::MAX);
    queue.push(&[b"cd", b"ef"], 3, vec![OpenId(7)], usize::MAX);
    queue.push(&[b"g"], 1, Vec::new(), usize::MAX);
    queue.push(&[b"h"], 1, vec![OpenId(8)], usize::MAX);
    assert_eq!(take(&mut queue, 1), (b"a".to_vec(), vec![]));
    let (count, rights) = queue.peek(9, &mut |_| ());
    assert_eq!((count, rights), (4, &[OpenId(7)][..]), "looking leaves them");
    assert_eq!(take(&mut queue, 9), (b"bcde".to_vec(), vec![OpenId(7)]));
    assert_eq!(take(&mut queue, 9), (b"gh".to_vec(), vec![OpenId(8)]));
    assert_eq!(take(&mut queue, 9), (Vec::new(), vec![]));
}

#[test]
fn rights_read_in_part_are_gone_and_their_bytes_stay() {
    let mut queue = ByteQueue::default();
    queue.push(&[b"abc"], 3, vec![OpenId(1)], usize::MAX);
    queue.push(&[b"def"], 3, vec![OpenId(2)], usize::MAX);
    assert_eq!(take(&mut queue, 1), (b"a".to_vec(), vec![OpenId(1)]));
    assert_eq!(take(&mut queue, 2), (b"bc".to_vec(), vec![]), "no further than asked");
    assert_eq!(take(&mut queue, 3), (b"def".to_vec(), vec![OpenId(2)]));
}

#[test]
fn memory_goes_back_with_the_bytes() {
    let mut input = Input::Bytes(ByteQueue::default());
    assert_eq!(input.charge(), 0);
    let Input::Bytes(queue) = &mut input else { unreachable!("made so") };
    queue.push(&[&[1; 100_000]], 100_000, Vec::new(), usize::MAX);
    assert_eq!(take(queue, 99_999).0.len(), 99_999);
    assert!(input.charge() <= STREAM_FLOOR, "{}", input.charge());
    let Input::Bytes(queue) = &mut input else { unreachable!("made so") };
    assert_eq!(take(queue, 9).0, [1]);
    assert!(input.charge() <= KEPT_BYTES, "{}", input.charge());
}

#[test]
fn memory_grows_twofold_within_the_budget() {
    let mut queue = ByteQueue::default();
    queue.push(&[&[1; 1000]], 1000, Vec::new(), usize::MAX);
    queue.push(&[&[1]], 1, Vec::new(), usize::MAX);
    assert_eq!(queue.bytes.capacity(), 2000);
    queue.push(&[&[1; 1000]], 1000, Vec::new(), 500);
    assert_eq!(queue.bytes.capacity(), 2500, "no more than is left for all");
    queue.push(&[&[1; 600]], 600, Vec::new(), 0);
    assert_eq!(queue.bytes.capacity(), 2601, "but what is needed");
}

#[test]
fn an_empty_queue_takes_any_message_and_a_full_one_none() {
    let message = |len: usize| Message { bytes: vec![0; len].into(), from: Name::Unnamed, rights: vec![OpenId(3)] };
    let mut queue = MessageQueue::default();
    assert!(queue.has_room(BUFFER_BYTES * 2, 0));
    queue.push(message(BUFFER_BYTES - MESSAGE_COST * 2 - 1));
    assert!(queue.has_room(1, 2));
    assert!(!queue.has_room(2, 2), "by bytes");
    queue.push(message(1));
    assert!(!queue.has_room(0, 2), "by number");
    let mut input = Input::Messages(queue);
    assert_eq!(input.take_rights(), [OpenId(3), OpenId(3)]);
    assert_eq!((input.rights().count(), input.len()), (0, BUFFER_BYTES - MESSAGE_COST * 2));
}
