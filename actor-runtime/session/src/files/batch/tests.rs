use super::*;

#[test]
fn a_batch_goes_on_while_there_is_time_and_room() {
    let mut room = Room { removals: 1, until: thread_cpu_time() + Duration::from_secs(3600) };
    assert_eq!(room.go_on(), Ok(()));
    assert_eq!(room.remove_one(), Ok(()));
    assert_eq!(room.remove_one(), Err(Errno::E2BIG));
    let mut room = Room { removals: 1, until: thread_cpu_time() };
    assert_eq!(room.go_on(), Err(Errno::ETIMEDOUT));
    assert_eq!(room.remove_one(), Err(Errno::ETIMEDOUT));
}
