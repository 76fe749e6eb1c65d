//! Parking: what is saved is restored, and an image is trusted in nothing.

#[cfg(test)]
mod common;

use common::{CREATE, FakeHost, FakeRuntime, Machine, NEW, Proc, RW};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use warren_kernel::blob::{BLOB_BYTES_MAX, BlobId, Blobs, SharedBytes};
use warren_kernel::id::{Gid, Ino, Lsn, Pid, Uid};
use warren_kernel::image::{IMAGE_VERSION, RestoreError, SaveError, SessionImage};
use warren_kernel::policy::{Effect, Policy, Rule};
use warren_kernel::runtime::Runtime;
use warren_kernel::vfs::change::{ContentImage, InodeImage, delta_between};
use warren_kernel::vfs::inode::Content;
use warren_kernel::vfs::inodes::Inodes;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::xattr::{SetXattr, Subject};
use warren_kernel::{Errno, Kernel, Template, World};

struct Nothing;

impl Blobs for Nothing {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}

fn world() -> World {
    let runtime: Arc<dyn Runtime> = Arc::new(FakeRuntime::default());
    World { host: Arc::new(FakeHost::default()), runtimes: Arc::from([runtime]), egress: None }
}

fn restore(template: &Template, image: &SessionImage) -> Result<Kernel, RestoreError> {
    let blobs: Arc<dyn Blobs> = Arc::new(Nothing);
    Kernel::restore(world(), template.clone(), image, &blobs)
}

type Shown = BTreeMap<Ino, (InodeImage, Vec<u8>, Vec<(Arc<[u8]>, Ino)>)>;

/// Everything a tree shows.
fn shown(inodes: &Inodes) -> Shown {
    inodes
        .iter()
        .map(|(ino, inode)| {
            let (mut bytes, mut names) = (Vec::new(), Vec::new());
            match &inode.content {
                Content::File(file) => bytes = file.to_vec(1 << 30).expect("it is in memory"),
                Content::Directory(own) => names = own.entries.iter().map(|(name, ino)| (name.clone(), *ino)).collect(),
                _ => {}
            }
            (ino, (InodeImage::of(ino, inode), bytes, names))
        })
        .collect()
}

/// Changes something of every kind.
fn busy(agent: Proc<'_>, root: Proc<'_>) {
    agent.mkdir("work").expect("made");
    agent.put("work/f", &[200; 70_000]);
    agent.link("work/f", "hard").expect("linked");
    agent.symlink("work/f", "soft").expect("linked");
    agent.mkfifo("fifo").expect("made");
    agent
        .call(|kernel, call| {
            kernel.setxattr(call, Subject::Path(At::Cwd, b"work", true), b"user.a", b"\xff1", SetXattr::Create)
        })
        .expect("set");
    root.unlink("/etc/shadow").expect("removed");
    root.rename("/bin/other", "/tmp/other").expect("moved");
    let fd = root.open("/bin/prog", RW).expect("opened");
    root.set_len(fd, 5).expect("cut");
    root.chmod("/etc", 0o700).expect("changed");
}

fn parked(machine: &Machine) -> SessionImage {
    let pids: Vec<Pid> = machine
        .session
        .with(|kernel| kernel.processes().map(|process| process.pid).filter(|pid| *pid != Pid::INIT).collect());
    for pid in pids {
        machine.session.with(|kernel| kernel.exit(pid, warren_kernel::process::ExitStatus::Exited(0)));
        machine.block(Pid::INIT, |kernel, _| kernel.collect(pid)).expect("launched");
    }
    machine.session.with(|kernel| kernel.save()).expect("nothing runs")
}

#[test]
fn a_session_comes_back_as_it_was() {
    let machine = Machine::new();
    busy(machine.agent(), machine.root());
    let image = parked(&machine);
    let bytes = image.to_bytes();
    let read = SessionImage::from_bytes(&bytes).unwrap();
    assert_eq!(read, image);
    let restored = restore(&machine.template, &read).unwrap();
    let (was, used) = machine.session.with(|kernel| (shown(kernel.root().inodes()), kernel.root().used()));
    assert!(shown(restored.root().inodes()) == was);
    assert_eq!(restored.root().used(), used);
    assert_eq!(restored.root().log().newest(), image.lsn);
    assert_eq!(restored.save().unwrap().to_bytes(), bytes, "and parks as the same bytes");
}

#[test]
fn a_restored_session_goes_on_where_it_was() {
    let machine = Machine::new();
    busy(machine.agent(), machine.root());
    let before = machine.session.with(|kernel| kernel.root().snapshot());
    let image = parked(&machine);
    let mut restored = restore(&machine.template, &image).unwrap();
    assert!(restored.root().log().since(Lsn(image.lsn.0 - 1)).is_err(), "what came before is not listed");
    let mut call = warren_kernel::Call::new(Pid::INIT);
    let fd = restored.open(&mut call, At::Root, b"/tmp/new", NEW, warren_kernel::vfs::Mode::new(0o644)).unwrap();
    let stat = restored.fstat(&mut call, fd).unwrap();
    assert!(before.get(stat.ino).is_none(), "inode numbers are not given again");
    assert!(restored.root().log().newest() > image.lsn);
    let changed = restored.root().log().since(image.lsn).unwrap().count();
    assert!(changed > 0, "a reader that stood at the image's number goes on");
    assert_eq!(
        restored.root().inodes().get(Ino(1)).map(|inode| inode.kind()),
        before.get(Ino(1)).map(|inode| inode.kind())
    );
}

#[test]
fn an_untouched_session_is_small_and_files_are_stored_as_they_are() {
    let machine = Machine::new();
    let empty = parked(&machine).to_bytes().len();
    assert!(empty < 2048, "{empty} bytes for nothing");
    let agent = machine.agent();
    agent.put("f", &[255; 60_000]);
    let full = parked(&machine).to_bytes().len();
    assert!((60_000..62_500).contains(&(full - empty)), "{} bytes for 60,000", full - empty);
}

#[test]
fn a_session_with_processes_is_not_parked() {
    let machine = Machine::new();
    let agent = machine.agent();
    let child = agent.child();
    assert!(matches!(machine.session.with(|kernel| kernel.save()), Err(SaveError::Busy(2))));
    child.exit(0);
    agent.exit(0);
    let zombie = machine.session.with(|kernel| kernel.save()).unwrap_err();
    assert_eq!(zombie.to_string(), "1 processes still run; end them first");
}

#[test]
fn a_file_open_without_a_name_is_not_restored() {
    let machine = Machine::new();
    let clean = machine.usage();
    machine.session.with(|kernel| {
        let mut call = warren_kernel::Call::new(Pid::INIT);
        let mode = warren_kernel::vfs::Mode::new(0o600);
        let fd = kernel.open_unnamed(&mut call, At::Root, b"/tmp", RW | CREATE, mode).unwrap();
        kernel.write(&mut call, fd, &[b"lost"]).unwrap();
    });
    assert_eq!(machine.usage().inodes, clean.inodes + 1);
    let restored = restore(&machine.template, &parked(&machine)).unwrap();
    assert_eq!((restored.usage().inodes, restored.usage().file_bytes), (clean.inodes, 0));
}

fn small() -> (Machine, Vec<u8>) {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.put("f", b"hello");
    let bytes = parked(&machine).to_bytes();
    (machine, bytes)
}

#[test]
fn every_cut_and_every_changed_byte_is_refused() {
    let (_, bytes) = small();
    for len in 0..bytes.len() {
        assert!(SessionImage::from_bytes(&bytes[..len]).is_err(), "cut at {len}");
    }
    assert!(SessionImage::from_bytes(&[&bytes[..], b"x"].concat()).is_err());
    let mut bent = bytes.clone();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            bent[at] ^= flip;
            assert!(SessionImage::from_bytes(&bent).is_err(), "byte {at}");
            bent[at] ^= flip;
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let (_, bytes) = small();
    let with = |at: usize, byte: u8| {
        let mut bent = bytes.clone();
        bent[at] = byte;
        SessionImage::from_bytes(&bent).unwrap_err()
    };
    assert!(matches!(with(0, b'X'), RestoreError::Magic));
    assert!(matches!(with(4, IMAGE_VERSION as u8 + 1), RestoreError::Version(3)));
    assert!(matches!(with(8, bytes[8] ^ 1), RestoreError::Length { .. }));
    assert!(matches!(with(16, bytes[16] ^ 1), RestoreError::Checksum));
    assert!(matches!(with(48, bytes[48] ^ 1), RestoreError::Checksum));
    assert!(with(4, 9).to_string().contains("version 9"));
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"WRNK".to_vec();
    bytes.extend(IMAGE_VERSION.to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(blake3::hash(body).as_bytes());
    bytes.extend(body);
    bytes
}

/// A body whose checksum is right and whose content is not.
#[test]
fn a_well_sealed_image_of_nonsense_is_refused_or_harmless() {
    let (machine, bytes) = small();
    let body = &bytes[48..];
    let mut bent = body.to_vec();
    for at in 0..body.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            bent[at] ^= flip;
            if let Ok(image) = SessionImage::from_bytes(&sealed(&bent))
                && let Ok(mut kernel) = restore(&machine.template, &image)
            {
                used_a_little(&mut kernel);
            }
            bent[at] ^= flip;
        }
    }
    for len in (0..body.len()).step_by(7) {
        assert!(matches!(SessionImage::from_bytes(&sealed(&body[..len])), Err(RestoreError::Malformed(_))), "{len}");
    }
}

fn used_a_little(kernel: &mut Kernel) {
    let mut call = warren_kernel::Call::new(Pid::INIT);
    for path in [&b"/home/agent/f"[..], b"/tmp", b"/home/agent/../../etc/passwd"] {
        let _ = kernel.stat(&mut call, At::Root, path, true);
    }
    let _ = kernel.mkdir(&mut call, At::Root, b"/tmp/d", warren_kernel::vfs::Mode::new(0o777));
    let _ = kernel.unlink(&mut call, At::Root, b"/home/agent/f");
    let _ = kernel.rename(
        &mut call,
        At::Root,
        b"/home",
        At::Root,
        b"/tmp/d/h",
        warren_kernel::vfs::namespace::Replace::Yes,
    );
    let _ = kernel.save();
}

#[test]
fn images_that_make_no_tree_are_refused() {
    let machine = Machine::new();
    let agent = machine.agent();
    agent.mkdir("a").unwrap();
    agent.mkdir("a/b").unwrap();
    agent.put("f", b"x");
    let good = parked(&machine);
    let ino = |path: &str| {
        machine.session.with(|kernel| {
            let mut call = warren_kernel::Call::new(Pid::INIT);
            kernel.stat(&mut call, At::Root, path.as_bytes(), true).unwrap().ino
        })
    };
    let (a, b, f) = (ino("/home/agent/a"), ino("/home/agent/a/b"), ino("/home/agent/f"));
    let refused = |what: &str, bend: &dyn Fn(&mut SessionImage)| {
        let mut bad = good.clone();
        bend(&mut bad);
        assert!(matches!(restore(&machine.template, &bad), Err(RestoreError::Layer(Errno::EINVAL))), "{what}");
    };
    let of = |image: &mut SessionImage, ino: Ino, set: &dyn Fn(&mut InodeImage)| {
        set(image.files.inodes.iter_mut().find(|image| image.ino == ino).unwrap());
    };
    refused("a loop of directories", &|image| {
        let at = image.files.names.iter().position(|(_, _, ino)| *ino == Some(a)).unwrap();
        let name = image.files.names.remove(at).1;
        image.files.names.push((b, name, Some(a)));
        of(image, a, &|image| image.content = ContentImage::Directory(b));
        of(image, b, &|image| image.links += 1);
        let home = a_parent(image, b);
        of(image, home, &|image| image.links -= 1);
    });
    refused("a second name of a directory", &|image| image.files.names.push((a, Arc::from(&b"again"[..]), Some(b))));
    refused("a name of nothing", &|image| image.files.names.push((a, Arc::from(&b"x"[..]), Some(Ino(900)))));
    refused("a name with a slash", &|image| image.files.names.push((a, Arc::from(&b"x/y"[..]), Some(f))));
    refused("too many links", &|image| of(image, f, &|image| image.links = 7));
    refused("too few links", &|image| of(image, a, &|image| image.links = 1));
    refused("no root", &|image| image.files.gone.push(Ino(1)));
    refused("a number that was never given", &|image| image.files.next_ino = 3);
    refused("numbers that end", &|image| image.files.next_ino = u64::MAX);
    refused("changes that end", &|image| (image.lsn, image.files.to) = (Lsn(u64::MAX), Lsn(u64::MAX)));
    refused("two ends", &|image| image.lsn = Lsn(image.lsn.0 + 1));
    refused("a file too long", &|image| {
        of(image, f, &|image| image.content = ContentImage::File { len: u64::MAX, base: None })
    });
    refused("a content longer than any", &|image| {
        let base = Some((BlobId([3; 32]), BLOB_BYTES_MAX + 1, 1));
        of(image, f, &|image| image.content = ContentImage::File { len: 1, base })
    });
    refused("a block behind the end", &|image| image.files.blocks[0].blocks[0].0 = 5);
    refused("a file that became a directory", &|image| {
        of(image, f, &|image| image.content = ContentImage::Directory(a))
    });
    let mut odd = good.clone();
    odd.next_pid = u32::MAX;
    assert!(restore(&machine.template, &odd).is_ok_and(|mut kernel| {
        used_a_little(&mut kernel);
        true
    }));
    odd.policy = Policy::session();
    odd.policy.read.rules.push(Rule { effect: Effect::Deny, pattern: String::new() });
    assert!(matches!(restore(&machine.template, &odd), Err(RestoreError::Policy(_))));
}

/// An image may name a content the layer has and lie about its length: what is not there is not shown.
#[test]
fn a_content_of_another_length_is_another_content() {
    let machine = Machine::new();
    machine.root().chmod("/bin/prog", 0o700).unwrap();
    let mut image = parked(&machine);
    let lie = image.files.inodes.iter_mut().find_map(|inode| match &mut inode.content {
        ContentImage::File { len, base: Some((_, of, seen)) } => {
            (*len, *of, *seen) = (1000, 1000, 1000);
            Some(inode.ino)
        }
        _ => None,
    });
    assert!(lie.is_some(), "the layer's content is below the file");
    let mut kernel = restore(&machine.template, &image).unwrap();
    let mut call = warren_kernel::Call::new(Pid::INIT);
    let fd = kernel.open(&mut call, At::Root, b"/bin/prog", RW, warren_kernel::vfs::Mode::new(0)).unwrap();
    let read = kernel.read(&mut call, fd, 1000, &mut |_| panic!("there are no such bytes"));
    assert!(
        matches!(read, Err(warren_kernel::Halt::Fetch(_))),
        "they are asked for, and the source has none: {read:?}"
    );
}

/// Where `ino`'s grandparent is, from its parents in the image.
fn a_parent(image: &SessionImage, ino: Ino) -> Ino {
    let parent =
        |ino: Ino| image.files.names.iter().find(|(_, _, child)| *child == Some(ino)).map(|(directory, ..)| *directory);
    let home = image.files.names.iter().find(|(directory, ..)| Some(*directory) != parent(ino) && *directory != ino);
    home.map_or(Ino(1), |(directory, ..)| *directory)
}

#[test]
fn limits_user_and_policy_are_the_images() {
    let machine = Machine::limited(|limits| limits.inodes = 77);
    let mut image = parked(&machine);
    image.user.uid = Uid(5);
    image.user.gid = Gid(6);
    let restored = restore(&common::template(Default::default(), Policy::default()), &image).unwrap();
    assert_eq!(restored.limits().inodes, 77);
    assert_eq!(restored.root().quota().inodes, 77);
    assert_eq!(restored.save().unwrap(), image);
}

#[test]
fn a_delta_between_two_moments_is_what_a_reader_is_told() {
    let machine = Machine::new();
    let (agent, root) = (machine.agent(), machine.root());
    let (before, lsn) = machine.session.with(|kernel| (kernel.root().snapshot(), kernel.root().log().newest()));
    busy(agent, root);
    machine.session.with(|kernel| {
        let tree = kernel.root();
        let told = warren_kernel::vfs::change::delta_since(tree.inodes(), tree.log(), lsn).unwrap();
        let compared = delta_between(&before, tree.inodes(), lsn, tree.log().newest());
        let blobs: Arc<dyn Blobs> = Arc::new(Nothing);
        for delta in [&told, &compared] {
            let copy = warren_kernel::vfs::change::apply(&before, delta, &blobs).unwrap();
            assert!(shown(&copy) == shown(tree.inodes()));
        }
    });
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(SessionImage::from_bytes(&bytes).is_err());
        prop_assert!(SessionImage::from_bytes(&sealed(&bytes)).is_err());
    }
}
