use super::*;
use std::sync::Mutex;

struct Source(Mutex<Vec<Result<Vec<u8>, Errno>>>);

impl Blobs for Source {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        let answer = self.0.lock().unwrap().remove(0);
        answer.map(|bytes| Arc::new(bytes) as SharedBytes)
    }
}

#[test]
fn a_failed_load_can_be_tried_again_and_a_good_one_stays() {
    let answers = vec![Err(Errno::EIO), Ok(vec![1; 3]), Ok(vec![1; 4])];
    let blob = Blob::lazy(BlobId::of(&[1; 4]), 4, Arc::new(Source(Mutex::new(answers))));
    assert_eq!(blob.load(), Err(Errno::EIO));
    assert_eq!(blob.load(), Err(Errno::EIO), "another length than promised");
    assert!(blob.bytes().is_none() && blob.shared().is_none());
    assert_eq!(blob.load(), Ok(()));
    assert_eq!(blob.load(), Ok(()), "and is not asked for again");
    assert_eq!(blob.bytes(), Some(&[1; 4][..]));
}

#[test]
fn a_blob_in_memory_is_named_by_its_content() {
    let blob = Blob::loaded(b"abc".to_vec());
    assert_eq!((blob.id(), blob.len(), blob.load()), (BlobId::of(b"abc"), 3, Ok(())));
    assert!(Blob::loaded(Vec::new()).is_empty());
    let id = BlobId::of(b"abc").to_string();
    assert!(id.len() == 64 && id.starts_with("6437b3ac"), "{id}");
}
