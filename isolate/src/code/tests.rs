#![allow(clippy::disallowed_methods, reason = "a test")]
use super::*;

fn store(memory_bytes: usize, folder: Option<PathBuf>, folder_bytes: u64) -> Codes {
    Codes::open(CodeOptions { memory_bytes, folder, folder_bytes })
}

fn key(codes: &Codes, text: &str) -> Key {
    codes.key(Kind::Function, Text::Utf8(text))
}

/// Waits until what was kept is on disk.
fn written(codes: &mut Codes) {
    let path = codes.options.folder.clone().unwrap();
    let memory = codes.kept().entries.len();
    for _ in 0..1000 {
        if std::fs::read_dir(&path).unwrap().flatten().filter(|file| file.file_name().len() == 64).count() >= memory {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nothing was written");
}

#[test]
fn a_key_is_of_the_kind_and_of_every_unit() {
    let codes = store(1 << 20, None, 0);
    let keys = [
        codes.key(Kind::Function, Text::Utf8("ab")),
        codes.key(Kind::Module, Text::Utf8("ab")),
        codes.key(Kind::Function, Text::Latin1(b"ab")),
        codes.key(Kind::Function, Text::Units(&[0x6261])),
        codes.key(Kind::Function, Text::Units(&[0xd800])),
        codes.key(Kind::Function, Text::Units(&[0xfffd])),
    ];
    for (index, one) in keys.iter().enumerate() {
        assert!(keys[index + 1..].iter().all(|other| one != other), "{index}");
    }
}

#[test]
fn what_was_used_least_lately_goes_first() {
    let codes = store(16 << 10, None, 0);
    let keys: Vec<Key> = (0..8).map(|index| key(&codes, &index.to_string())).collect();
    for name in &keys[..5] {
        codes.keep(name, &[1; 2 << 10]);
    }
    assert!(codes.find(&keys[0]).is_some());
    for name in &keys[5..] {
        codes.keep(name, &[1; 2 << 10]);
    }
    assert!(codes.counts().bytes <= 16 << 10);
    assert!(codes.find(&keys[0]).is_some() && codes.find(&keys[7]).is_some());
    assert!(codes.find(&keys[1]).is_none());
    // One that is too large for the whole is not kept, and drives nothing out.
    codes.keep(&keys[1], &[1; 8 << 10]);
    assert!(codes.find(&keys[1]).is_none() && codes.find(&keys[7]).is_some());
}

#[test]
fn entries_outlive_the_process() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("scripts");
    let mut first = store(1 << 20, Some(path.clone()), 1 << 20);
    let name = key(&first, "text");
    first.keep(&name, b"code");
    written(&mut first);
    let second = store(1 << 20, Some(path), 1 << 20);
    assert_eq!(&*second.find(&name).unwrap().bytes, b"code");
    assert_eq!(second.counts().found, 1);
}

#[test]
fn an_entry_that_was_changed_or_moved_is_not_taken() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("scripts");
    let mut first = store(1 << 20, Some(path.clone()), 1 << 20);
    let names = ["a", "b", "c", "d"].map(|text| key(&first, text));
    for name in &names {
        first.keep(name, b"the code of it");
    }
    written(&mut first);
    let file = |name: &Key| path.join(blake3::Hash::from_bytes(name.0).to_hex().as_str());
    let mut bytes = std::fs::read(file(&names[0])).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(file(&names[0]), bytes).unwrap();
    std::fs::copy(file(&names[2]), file(&names[1])).unwrap();
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file(&names[3]), std::fs::Permissions::from_mode(0o666)).unwrap();
    }
    let second = store(1 << 20, Some(path.clone()), 1 << 20);
    assert!(second.find(&names[0]).is_none() && second.find(&names[1]).is_none() && second.find(&names[3]).is_none());
    assert!(second.find(&names[2]).is_some());
    assert!(!file(&names[0]).exists(), "it is made anew");
    // Under another key nothing of it is this host's.
    std::fs::write(path.join("key"), [7; 32]).unwrap();
    let third = store(1 << 20, Some(path), 1 << 20);
    assert!(third.find(&names[2]).is_none());
}

#[test]
fn a_folder_keeps_to_its_bound() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(&place.path().join("scripts"), 16 << 10).unwrap();
    let codes = store(1 << 20, None, 0);
    let names: Vec<Key> = (0..32).map(|index| key(&codes, &index.to_string())).collect();
    for name in &names {
        folder.write(name, &[1; 2 << 10]);
    }
    let files = std::fs::read_dir(place.path().join("scripts")).unwrap().flatten();
    let bytes: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes <= (16 << 10) + 32, "{bytes}");
    assert!(folder.read(&names[0]).is_none() && folder.read(&names[31]).is_some());
}
