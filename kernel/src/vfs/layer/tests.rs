use super::*;
use crate::vfs::memory::tests::assert_sound;
use proptest::prelude::*;

const PLAIN: Attributes = Attributes { mode: 0o644, uid: 3, gid: 4, mtime_seconds: 5 };

fn kinds(builder: &LayerBuilder, path: &str) -> Option<FileKind> {
    let mut at = ROOT_INO;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        at = builder.lookup(at, part.as_bytes())?;
    }
    builder.kind(at)
}

#[test]
fn later_entries_replace_earlier_ones_but_not_across_kinds() {
    let mut builder = LayerBuilder::new();
    builder.text("/a/b/f", PLAIN, b"one").unwrap();
    builder.text("/a/b/f", PLAIN, b"two").unwrap();
    builder.symlink("/a/b/f", "elsewhere", PLAIN).unwrap();
    assert_eq!(kinds(&builder, "/a/b/f"), Some(FileKind::Symlink));
    builder.directory("/a/b", Attributes { mode: 0o700, ..PLAIN }).unwrap();
    assert!(builder.contains("/a/b/f"), "a directory stays, with its new attributes");
    assert_eq!(builder.directory("/a/b/f", PLAIN).unwrap_err().errno, Errno::EEXIST);
    assert_eq!(builder.text("/a/b", PLAIN, b"").unwrap_err().errno, Errno::EISDIR);
    assert_eq!(builder.text("/a/b/f/x", PLAIN, b"").unwrap_err().errno, Errno::ENOTDIR);
    let layer = builder.build();
    assert_eq!(layer.blobs().count(), 0, "what was replaced is gone");
    assert_sound(&layer.inodes());
}

#[test]
fn paths_that_no_layer_has() {
    let long = format!("/{}", "n".repeat(256));
    let deep = "/d".repeat(2048);
    let name = "/x".repeat(2000) + &"/".repeat(200);
    for path in ["", "a", "a/b", "/a//b", "/a/", "/a/../b", "/./a", "/a/..", "/a\0b", &long, &deep, &name] {
        assert!(LayerBuilder::new().text(path, PLAIN, b"").is_err(), "{path:?}");
        assert!(LayerBuilder::new().directory(path, PLAIN).is_err(), "{path:?}");
    }
    assert!(LayerBuilder::new().text("/", PLAIN, b"").is_err());
    assert!(LayerBuilder::new().symlink("/l", "", PLAIN).is_err());
    assert!(LayerBuilder::new().symlink("/l", &"t".repeat(4096), PLAIN).is_err());
    let error = LayerBuilder::new().text("a", PLAIN, b"").unwrap_err().to_string();
    assert!(error.contains("a layer's path is absolute") && error.contains("EINVAL"), "{error}");
}

#[test]
fn the_root_takes_attributes() {
    let mut builder = LayerBuilder::new();
    builder.directory("/", Attributes { mode: 0o750, ..PLAIN }).unwrap();
    let layer = builder.build();
    let inodes = layer.inodes();
    let root = inodes.get(ROOT_INO).unwrap();
    assert_eq!((root.mode.bits(), root.uid, root.mtime), (0o750, Uid(3), Timestamp::from_seconds(5)));
}

proptest! {
    #[test]
    fn whatever_is_put_together_is_a_tree(
        entries in prop::collection::vec((0..3u8, prop::collection::vec(0..3u8, 1..4)), 1..30),
    ) {
        let build = || {
            let mut builder = LayerBuilder::new();
            for (kind, parts) in &entries {
                let path: String = parts.iter().map(|part| format!("/{part}")).collect();
                let _ = match kind {
                    0 => builder.directory(&path, PLAIN).map(drop),
                    1 => builder.text(&path, PLAIN, path.as_bytes()).map(drop),
                    _ => builder.symlink(&path, "x", PLAIN).map(drop),
                };
            }
            builder.build().inodes()
        };
        let (one, two) = (build(), build());
        assert_sound(&one);
        let numbers = |inodes: &Inodes| inodes.iter().map(|(ino, inode)| (ino, inode.kind())).collect::<Vec<_>>();
        prop_assert_eq!(numbers(&one), numbers(&two), "the same numbers on every node");
    }
}
