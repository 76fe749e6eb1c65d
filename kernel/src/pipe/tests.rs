use super::*;

fn open() -> Pipe {
    Pipe { readers: 1, writers: 1, ..Pipe::default() }
}

fn take(pipe: &mut Pipe, want: usize) -> Result<Vec<u8>, ReadError> {
    let mut got = Vec::new();
    pipe.read(want, |bytes| got.extend_from_slice(bytes)).map(|_| got)
}

#[test]
fn bytes_come_out_in_order_and_in_parts() {
    let mut pipe = open();
    assert_eq!(pipe.write(&[b"hel", b"lo"]), Ok(5));
    assert_eq!(take(&mut pipe, 2).unwrap(), b"he");
    assert_eq!(pipe.write(&[b"!"]), Ok(1));
    assert_eq!(take(&mut pipe, 99).unwrap(), b"llo!");
    assert_eq!(take(&mut pipe, 1), Err(ReadError::WouldBlock));
}

#[test]
fn a_full_pipe_takes_what_fits_but_small_writes_whole() {
    let mut pipe = open();
    let big = vec![7; PIPE_CAPACITY + 100];
    assert_eq!(pipe.write(&[&big]), Ok(PIPE_CAPACITY));
    assert_eq!(pipe.write(&[b"x"]), Err(WriteError::WouldBlock { wanted: 1, free: 0 }));
    take(&mut pipe, PIPE_BUF - 1).unwrap();
    assert_eq!(pipe.write(&[&big[..PIPE_BUF]]), Err(WriteError::WouldBlock { wanted: PIPE_BUF, free: PIPE_BUF - 1 }));
    assert!(!pipe.is_writable());
    assert_eq!(pipe.write(&[&big[..PIPE_BUF + 1]]), Ok(PIPE_BUF - 1), "a larger write may be split");
}

#[test]
fn ends_that_are_gone_answer_end_of_file_and_broken_pipe() {
    let mut pipe = open();
    pipe.write(&[b"last"]).unwrap();
    pipe.writers = 0;
    assert_eq!(take(&mut pipe, 10).unwrap(), b"last");
    assert_eq!(take(&mut pipe, 10).unwrap(), b"");
    pipe.readers = 0;
    assert_eq!(pipe.write(&[b"x"]), Err(WriteError::BrokenPipe));
    assert!(pipe.is_readable() && pipe.is_writable(), "poll reports the hang-up");
}
