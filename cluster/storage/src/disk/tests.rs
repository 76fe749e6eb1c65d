//! The simulated disk keeps its promises to the tests that use it, and the real one answers alike.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;
use std::io::ErrorKind;

fn root(disk: &dyn Disk, real: &Path) -> PathBuf {
    let root = if format!("{disk:?}") == "RealDisk" { real.to_path_buf() } else { PathBuf::from("/w") };
    create_dir_all(disk, &root).unwrap();
    root
}

#[test]
fn both_disks_answer_alike() {
    let dir = tempfile::tempdir().unwrap();
    for disk in [&RealDisk as &dyn Disk, &SimulatedDisk::new(1)] {
        let root = root(disk, dir.path());
        let file = disk.create(&root.join("a")).unwrap();
        file.write_at(b"hello", 2).unwrap();
        assert_eq!(file.len().unwrap(), 7);
        let mut buf = [9; 10];
        assert_eq!(read_full(&*file, &mut buf, 0).unwrap(), 7);
        assert_eq!(&buf[..7], b"\0\0hello");
        assert_eq!(file.read_at(&mut buf, 100).unwrap(), 0);
        file.set_len(3).unwrap();
        file.sync_data().unwrap();
        disk.rename(&root.join("a"), &root.join("b")).unwrap();
        disk.create_dir(&root.join("d")).unwrap();
        disk.sync_dir(&root).unwrap();
        let mut listed = disk.list(&root).unwrap();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(listed, [("b", false), ("d", true)].map(|(name, is_dir)| Listed { name: name.into(), is_dir }));
        let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(disk.create(&root.join("b")).map(drop)), ErrorKind::AlreadyExists);
        assert_eq!(kind(disk.open(&root.join("a")).map(drop)), ErrorKind::NotFound);
        assert_eq!(kind(disk.create_dir(&root.join("d"))), ErrorKind::AlreadyExists);
        assert_eq!(kind(disk.create(&root.join("no/x")).map(drop)), ErrorKind::NotFound);
        assert_eq!(kind(disk.rename(&root.join("b"), &root.join("d"))), ErrorKind::IsADirectory);
        disk.create(&root.join("d/x")).unwrap();
        assert_eq!(kind(disk.remove_dir(&root.join("d"))), ErrorKind::DirectoryNotEmpty);
        disk.remove(&root.join("d/x")).unwrap();
        disk.remove_dir(&root.join("d")).unwrap();
        let lock = disk.lock(&root.join("lock")).unwrap();
        assert!(matches!(disk.lock(&root.join("lock")), Err(LockError::Held { .. })));
        drop(lock);
        drop(disk.lock(&root.join("lock")).unwrap());
    }
}

#[test]
fn power_takes_what_was_not_synced_and_only_that() {
    let mut lost = 0;
    for seed in 0..40 {
        let disk = SimulatedDisk::new(seed);
        let path = Path::new("/f");
        let file = disk.create(path).unwrap();
        file.write_at(&[1; 2000], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        file.write_at(&[2; 2000], 1000).unwrap();
        disk.rename(path, Path::new("/g")).unwrap();
        let disk = disk.power_loss();
        assert!(file.read_at(&mut [0], 0).is_err(), "an old handle fails");
        let file = disk.open(path).or_else(|_| disk.open(Path::new("/g"))).unwrap();
        let mut buf = [0; 4000];
        let found = read_full(&*file, &mut buf, 0).unwrap();
        assert!(found >= 2000 && buf[..1000] == [1; 1000] && buf[1000..2000].iter().all(|byte| [1, 2].contains(byte)));
        lost += u64::from(found < 3000 || buf[1000..3000] != [2; 2000]);
    }
    assert!((5..35).contains(&lost), "{lost} of 40 lost something");
}

#[test]
fn a_failed_sync_forgets() {
    let disk = SimulatedDisk::new(3);
    let file = disk.create(Path::new("/f")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file.write_at(b"lost", 0).unwrap();
    disk.fail_once(Operation::Sync, 0, ErrorKind::Other);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 4, "it is still seen");
    let disk = disk.power_loss();
    assert_eq!(disk.open(Path::new("/f")).unwrap().len().unwrap(), 0);
}

#[test]
fn a_full_disk_takes_a_part() {
    let disk = SimulatedDisk::new(4);
    let file = disk.create(Path::new("/f")).unwrap();
    disk.set_capacity(10);
    assert_eq!(file.write_at(&[1; 16], 0).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!((file.len().unwrap(), disk.used_bytes()), (10, 10));
    file.write_at(&[2; 10], 0).unwrap();
    disk.heal();
    file.write_at(&[1; 16], 0).unwrap();
}
