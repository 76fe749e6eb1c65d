#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn place(text: &str) -> Result<Place, String> {
    text.parse()
}

#[test]
fn places_are_of_a_session_here_or_standard() {
    let of = |session: &str, path: &str| Ok(Place::Session { session: session.into(), path: path.into() });
    assert_eq!(place("a:/x/y"), of("a", "/x/y"));
    assert_eq!(place("a:/x:y"), of("a", "/x:y"));
    assert_eq!(place("-"), Ok(Place::Standard));
    for here in ["x", "./a:b", "/a:b", "dir/a:/b", ":x", "--"] {
        assert_eq!(place(here), Ok(Place::Here(here.into())));
    }
    assert!(place("a:x").unwrap_err().contains("a:/home/agent/x"));
    assert!(place("a:").is_err());
    assert!(place("").is_err());
}

#[test]
fn names_are_kept_unless_only_what_is_inside_is_meant() {
    let name = |text: &str| place(text).unwrap().name().map(|name| name.to_str().unwrap().to_owned());
    assert_eq!(name("a:/x/y").as_deref(), Some("y"));
    assert_eq!(name("a:/x/y/").as_deref(), Some("y"));
    assert_eq!(name("x"), Some("x".into()));
    for inside in ["a:/", "a:/x/.", ".", "x/.", "..", "-"] {
        assert_eq!(name(inside), None, "{inside}");
    }
    assert!(place("x/").unwrap().is_directory() && place("a:/.").unwrap().is_directory());
    assert!(!place("x").unwrap().is_directory() && !place("-").unwrap().is_directory());
}

/// A source that breaks in the middle.
struct Breaks(u8);

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0 -= 1;
        match self.0 {
            0 => Err(std::io::Error::other("gone")),
            _ => Ok(buffer.len()),
        }
    }
}

#[test]
fn what_breaks_leaves_the_old_file_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let local = Local::new(Cleanup::default(), false);
    let what = Found { kind: Kind::File, mode: Some(0o4751), modified: Some(SystemTime::UNIX_EPOCH) };
    assert_eq!(local.write(&path, &mut &b"old"[..], &what, Named::Typed).unwrap(), 3);
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.modified().unwrap(), SystemTime::UNIX_EPOCH);
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7700, 0o700);
    assert!(matches!(local.write(&path, &mut Breaks(3), &what, Named::Met), Err(Failure::One(_))));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    // What is there in the way is told.
    std::fs::create_dir(dir.path().join("d")).unwrap();
    assert!(matches!(local.write(&dir.path().join("d"), &mut &b""[..], &what, Named::Met), Err(Failure::One(_))));
    assert!(matches!(local.make_directory(&path, &what, Named::Met), Err(Failure::One(_))));
    assert!(matches!(local.write(Path::new("/dev/full"), &mut &b"x"[..], &what, Named::Typed), Err(Failure::All(_))));
}

#[test]
fn links_in_a_tree_are_replaced_and_never_led_by() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("tree"), dir.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), "kept").unwrap();
    std::os::unix::fs::symlink(outside.join("f"), inside.join("f")).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("d")).unwrap();
    let local = Local::new(Cleanup::default(), false);
    let what = Found { kind: Kind::File, mode: None, modified: None };
    local.write(&inside.join("f"), &mut &b"new"[..], &what, Named::Met).unwrap();
    assert_eq!(std::fs::read(outside.join("f")).unwrap(), b"kept");
    assert_eq!(std::fs::read(inside.join("f")).unwrap(), b"new");
    assert!(matches!(local.make_directory(&inside.join("d"), &what, Named::Met), Err(Failure::One(_))));
    // What was typed is meant.
    local.make_directory(&inside.join("d"), &what, Named::Typed).unwrap();
    std::os::unix::fs::symlink(outside.join("f"), dir.path().join("link")).unwrap();
    local.write(&dir.path().join("link"), &mut &b"typed"[..], &what, Named::Typed).unwrap();
    assert_eq!(std::fs::read(outside.join("f")).unwrap(), b"typed");
    assert!(dir.path().join("link").is_symlink());
    // Into a pipe that lies in a tree nothing is poured, nor waited for.
    rustix::fs::mknodat(rustix::fs::CWD, inside.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let refused = local.write(&inside.join("pipe"), &mut &b"x"[..], &what, Named::Met);
    assert!(matches!(refused, Err(Failure::One(why)) if why.contains("is no file")));
    // A file that became a link since it was listed is not followed.
    assert!(local.open(&dir.path().join("link"), Named::Met).is_err());
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    let dir = tempfile::tempdir().unwrap();
    let from = Place::Here(dir.path().to_owned());
    let client = Client::new("http://127.0.0.1:1", None).unwrap();
    let within = dir.path().join("x/y");
    assert!(refuse_itself(&client, &from, &Place::Here(within.clone()), &within).is_err());
    let beside = PathBuf::from(format!("{}-beside", dir.path().display()));
    assert!(refuse_itself(&client, &from, &Place::Here(beside.clone()), &beside).is_ok());
    let of = |path: &str| Place::Session { session: "a".into(), path: path.into() };
    assert!(refuse_itself(&client, &of("/x"), &of("/x/y"), Path::new("/z/../x/./y")).is_err());
    assert!(refuse_itself(&client, &of("/x"), &of("/xy"), Path::new("/xy")).is_ok());
}
