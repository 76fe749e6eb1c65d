#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;
use warren_kernel::id::Lsn;

fn event(changes: &[(&str, How)], more: bool) -> Event {
    let paths = changes.iter().map(|(path, _)| (*path).to_owned()).collect();
    let changes = changes.iter().map(|(_, how)| PathChange { how: how.clone(), kind: Some(FileKind::Regular) });
    let what = What::FilesChanged { from: Lsn(1), to: Lsn(9), paths, changes: changes.collect(), more };
    Event { position: "1.7".parse().unwrap(), time: Timestamp(5), what }
}

/// The paths of what is seen.
fn seen(scope: (&str, bool), changes: &[(&str, How)]) -> Vec<String> {
    match Scope::new(scope.0, scope.1).unwrap().see(&event(changes, false)) {
        Some(Watched::Changes { changes, .. }) => changes.into_iter().map(|change| change.path).collect(),
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_and_what_is_in_it_is_seen() {
    let all = ["/a", "/a/b", "/a/b/c", "/ab", "/b", "/"].map(|path| (path, How::Modified));
    assert_eq!(seen(("/a", false), &all), ["/a", "/a/b"]);
    assert_eq!(seen(("//a/", true), &all), ["/a", "/a/b", "/a/b/c"]);
    assert_eq!(seen(("/a/b/c", false), &all), ["/a", "/a/b", "/a/b/c"], "what it lies in changed");
    assert_eq!(seen(("/", false), &all), ["/a", "/ab", "/b", "/"]);
    assert_eq!(seen(("/", true), &all).len(), 6);
    assert_eq!(seen(("/a/b", true), &[("/a", How::Attributes), ("/a/x", How::Created)]), [""; 0]);
}

#[test]
fn a_move_is_seen_from_either_end_and_once() {
    let moved = [("/a/x", How::Left), ("/b/y", How::Moved { from: "/a/x".to_owned() }), ("/a/t", How::Nothing)];
    for watched in ["/a", "/b", "/a/x", "/a/x/below", "/"] {
        assert_eq!(seen((watched, true), &moved), ["/b/y"], "{watched}");
    }
    assert_eq!(seen(("/c", true), &moved), [""; 0]);
}

#[test]
fn what_is_not_told_is_to_be_looked_at() {
    let scope = Scope::new("/elsewhere", false).unwrap();
    let resync = Some(Watched::Resync { position: Some("1.7".parse().unwrap()) });
    assert_eq!(scope.see(&event(&[], true)), resync);
    let mut old = event(&[("/a", How::Modified)], false);
    if let What::FilesChanged { changes, .. } = &mut old.what {
        changes.clear();
    }
    assert_eq!(scope.see(&old), resync, "written before it was known what became of it");
    for wrong in ["a", "", "/a/../b", "/./a", "/a\0"] {
        assert!(matches!(Scope::new(wrong, true), Err(SessionError::Invalid { field: "path", .. })), "{wrong:?}");
    }
}

#[tokio::test]
async fn who_sees_nothing_for_long_is_told_where_it_is() {
    let log = Arc::new(Log::default());
    let mut other = event(&[("/b", How::Modified)], false);
    let many = (1..=PASSED_MAX as u64 + 1).map(|seq| {
        other.position.seq = seq;
        Ok(Seen::Event(other.clone()))
    });
    let many: Vec<_> = many.chain([Ok(Seen::Resync { from: 3, to: 4 })]).collect();
    let watched = watch(futures_util::stream::iter(many).boxed(), log.clone(), Scope::new("/a", true).unwrap());
    assert_eq!(log.watchers.load(Ordering::Relaxed), 1);
    let watched: Vec<_> = watched.map(Result::unwrap).collect().await;
    let reached = Position { seq: PASSED_MAX as u64, ..other.position };
    assert_eq!(watched, [Watched::Reached(reached), Watched::Resync { position: None }]);
    assert_eq!(log.watchers.load(Ordering::Relaxed), 0);
}
