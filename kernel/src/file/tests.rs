use super::*;

fn open(files: &mut OpenFiles) -> OpenId {
    let id = files.add(OpenFile::new(Opened::PipeReader(PipeId(1)), true, false));
    files.retain(id);
    id
}

#[test]
fn the_last_holder_takes_the_description_out() {
    let mut files = OpenFiles::default();
    let id = open(&mut files);
    files.retain(id);
    assert!(files.release(id).is_none() && files.get(id).is_ok());
    assert!(files.release(id).is_some());
    assert_eq!(files.get(id).err(), Some(Errno::EBADF));
    assert!(files.release(id).is_none(), "there is nothing left to release");
    assert!(files.is_empty());
}

#[test]
fn slots_are_used_again_and_given_back() {
    let mut files = OpenFiles::default();
    let ids: Vec<OpenId> = (0..100).map(|_| open(&mut files)).collect();
    for id in &ids[..50] {
        files.release(*id);
    }
    assert_eq!(files.len(), 50);
    for _ in 0..50 {
        open(&mut files);
    }
    assert_eq!((files.len(), files.slots.len()), (100, 100));
    for id in ids {
        files.release(id);
    }
    assert!(files.is_empty() && files.slots.is_empty(), "an empty table holds no memory");
}
