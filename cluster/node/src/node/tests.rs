use super::*;

fn owner(incarnation: u64) -> Owner {
    Owner { node: NodeId(7), incarnation: Incarnation(incarnation) }
}

#[test]
fn a_folder_remembers_who_had_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("owners");
    assert_eq!(note_owner(&path, owner(1)).unwrap(), vec![]);
    assert_eq!(note_owner(&path, owner(u64::MAX)).unwrap(), vec![owner(1)]);
    assert_eq!(note_owner(&path, owner(3)).unwrap(), vec![owner(u64::MAX), owner(1)], "the last first");
    for number in 0..100 {
        note_owner(&path, owner(1000 + number)).unwrap();
    }
    let before = note_owner(&path, owner(5)).unwrap();
    assert_eq!((before.len(), before[0]), (OWNERS_MAX, owner(1099)), "so many, the last of them");
}

/// Whoever is not certainly dead is not taken from: a line that says nothing is nobody.
#[test]
fn what_makes_no_sense_is_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("owners");
    std::fs::write(&path, "7 000000000000000a\nnonsense\n7 xyz\n-1 0000000000000001\n8 \n\n7 0b").unwrap();
    assert_eq!(note_owner(&path, owner(1)).unwrap(), vec![owner(10), owner(11)]);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(note_owner(&path, owner(1)).is_err(), "a folder is no list");
}
