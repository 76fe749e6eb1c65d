//! Parked sessions as input: an image that was true once and is changed by the input, and what must hold of a session
//! that was restored from one.

use crate::common::{FakeDriver, FakeHost, FakeRuntime, Machine, NEW, Proc, RW, template};
use crate::number::Number;
use arbitrary::Arbitrary;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use warren_kernel::blob::{Blob, BlobId, Blobs, SharedBytes};
use warren_kernel::id::{Gid, Ino, Lsn, Pid, Uid};
use warren_kernel::image::{IMAGE_VERSION, SessionImage};
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::process::ExitStatus;
use warren_kernel::runtime::Runtime;
use warren_kernel::seek::Whence;
use warren_kernel::vfs::change::{BlockImage, BlockRange, ContentImage};
use warren_kernel::vfs::layer::{Attributes, Layer, LayerBuilder};
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::xattr::{SetXattr, Subject};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Errno, Kernel, Session, Template, World};

/// Files looked at when a restored session is used, at most.
const FILES_MAX: usize = 64;

/// One change of an image.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub struct Mutation {
    what: u8,
    /// Which inode, name or block range of the image.
    which: u8,
    number: Number,
    other: Number,
}

/// An image of a session that changed something of every kind, as it was saved.
pub fn true_image() -> &'static SessionImage {
    static IMAGE: OnceLock<SessionImage> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let template = parked_template();
        let machine = Machine::from(template.clone(), |world| Kernel::new(world, template));
        let (agent, root) = (machine.agent(), machine.root());
        change_everything(agent, root);
        for pid in [agent.pid, root.pid] {
            machine.session.with(|kernel| {
                kernel.exit(pid, ExitStatus::Exited(0));
                let _ = kernel.collect(pid);
            });
        }
        machine.session.with(|kernel| kernel.save()).expect("nothing runs")
    })
}

fn change_everything(agent: Proc<'_>, root: Proc<'_>) {
    agent.mkdir("work").expect("made");
    agent.mkdir("work/deep").expect("made");
    agent.put("work/f", &[200; 70_000]);
    agent.put("work/deep/small", b"small");
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
    let fd = root.open("/usr/blob", RW).expect("opened");
    root.set_len(fd, 66_000).expect("cut");
    root.chmod("/usr/loaded", 0o600).expect("changed");
    let fd = agent.open("sparse", NEW).expect("made");
    agent.set_len(fd, 1 << 30).expect("extended");
}

/// The common layer with one large shared file in it, whose bytes cannot be loaded.
fn parked_layer() -> Arc<Layer> {
    let attributes = |mode| Attributes { mode, uid: 0, gid: 0, mtime_seconds: 0 };
    let mut builder = LayerBuilder::new();
    for path in ["/bin", "/etc", "/dev", "/dev/pts", "/home", "/usr", "/tmp", "/proc"] {
        builder.directory(path, attributes(0o755)).expect("it is well formed");
    }
    let agent = Attributes { uid: 1000, gid: 1000, ..attributes(0o755) };
    builder.directory("/home/agent", agent).expect("it is well formed");
    for (path, text) in [("/bin/prog", &b"\0asm\x01\0\0\0prog"[..]), ("/bin/other", b"\0asm"), ("/etc/shadow", b"x")] {
        builder.text(path, attributes(0o755), text).expect("it is well formed");
    }
    let blob = Blob::lazy(BlobId([7; 32]), 300_000, Arc::new(Nothing));
    builder.file("/usr/blob", attributes(0o644), blob).expect("it is well formed");
    builder.file("/usr/loaded", attributes(0o644), loaded()).expect("it is well formed");
    builder.build()
}

/// The content of a shared file that is in memory, and so can be shown.
fn loaded() -> Arc<Blob> {
    static LOADED: OnceLock<Arc<Blob>> = OnceLock::new();
    LOADED.get_or_init(|| Blob::loaded(vec![5; 70_000])).clone()
}

fn parked_template() -> Template {
    static LAYER: OnceLock<Arc<Layer>> = OnceLock::new();
    Template { layer: LAYER.get_or_init(parked_layer).clone(), ..template(Limits::default(), Policy::session()) }
}

struct Nothing;

impl Blobs for Nothing {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}

/// What follows the header.
pub fn body(bytes: &[u8]) -> &[u8] {
    &bytes[48..]
}

/// A body with the header that belongs to it.
pub fn with_header(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"WRNK".to_vec();
    bytes.extend(IMAGE_VERSION.to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(BlobId::of(body).0);
    bytes.extend(body);
    bytes
}

/// Changes one thing of an image.
pub fn mutate(image: &mut SessionImage, mutation: Mutation) {
    let which = usize::from(mutation.which);
    let (number, other) = (mutation.number.long(), mutation.other.long());
    // Mostly a number that is in use.
    let inos: Vec<Ino> = image.files.inodes.iter().map(|inode| inode.ino).collect();
    let near = |number: u64| inos.get(number as usize % (inos.len() + 8)).copied().unwrap_or(Ino(number));
    let files = &mut image.files;
    let count = files.inodes.len().max(1);
    match mutation.what % 22 {
        0 => files.gone.push(near(number)),
        1 => files.names.push((near(other), Arc::from(&[b'a' + (which % 20) as u8][..]), Some(near(number)))),
        2 => files.names.push((near(other), Arc::from(&b"../x"[..]), (which > 128).then(|| near(number)))),
        3 if !files.names.is_empty() => drop(files.names.remove(which % files.names.len())),
        4 if !files.inodes.is_empty() => drop(files.inodes.remove(which % count)),
        5 if !files.inodes.is_empty() => {
            let mut again = files.inodes[which % count].clone();
            again.ino = near(number);
            files.inodes.push(again);
        }
        6 => {
            let size = mutation.other.small().min(70_000);
            let block = match which % 4 {
                0 => BlockImage::Hole,
                1 => BlockImage::Stored(BlobId([6; 32]), size as u64),
                _ => BlockImage::Bytes(Arc::new(vec![9; size])),
            };
            files.blocks.push(BlockRange {
                ino: near(other),
                from: number,
                to: number.wrapping_add(2),
                blocks: vec![(number, block)],
            });
        }
        7 if !files.blocks.is_empty() => {
            let at = which % files.blocks.len();
            (files.blocks[at].from, files.blocks[at].to) = (number, other);
        }
        8 => files.next_ino = number,
        9 => files.to = Lsn(number),
        10 => image.lsn = Lsn(number),
        11 => image.next_pid = number as u32,
        12 => image.cwd = Arc::from(&b"/\0//.."[..which % 7]),
        13 => image.user.uid = Uid(number as u32),
        14 => image.limits.file_bytes = number,
        15 => image.limits.processes = number,
        16 if !files.inodes.is_empty() => change_content(&mut files.inodes[which % count].content, number, other),
        17 if !files.inodes.is_empty() => files.inodes[which % count].links = number as u32,
        18 if !files.inodes.is_empty() => files.inodes[which % count].ino = near(number),
        19 if !files.inodes.is_empty() => {
            let inode = &mut files.inodes[which % count];
            (inode.mode, inode.uid, inode.gid) = (Mode::new(number as u32), Uid(other as u32), Gid(other as u32));
        }
        20 if !files.inodes.is_empty() => {
            let value: Arc<[u8]> = vec![1; mutation.other.small()].into();
            files.inodes[which % count].xattrs.push((Arc::from(&b"user.b"[..]), value));
        }
        21 if !files.inodes.is_empty() => {
            let kinds = [
                ContentImage::File { len: number, base: None },
                ContentImage::File { len: number, base: Some((BlobId([7; 32]), other, number)) },
                ContentImage::Directory(near(number)),
                ContentImage::Symlink(Arc::from(&b"/tmp/x\0"[..which % 8])),
                ContentImage::Special(FileKind::Fifo, number),
                ContentImage::Special(FileKind::Directory, number),
                ContentImage::Special(FileKind::Character, number),
                ContentImage::Special(FileKind::Socket, number),
            ];
            files.inodes[which % count].content = kinds[other as usize % 8].clone();
        }
        _ => {}
    }
}

fn change_content(content: &mut ContentImage, number: u64, other: u64) {
    match content {
        ContentImage::File { len, base } => match other % 4 {
            0 => *len = number,
            1 => *base = None,
            2 => *base = Some((loaded().id(), number, other.min(number))),
            _ => *base = Some((BlobId([8; 32]), number.max(1), number.max(1))),
        },
        ContentImage::Directory(parent) => *parent = Ino(number),
        ContentImage::Symlink(target) => *target = vec![b'/'; (number % 9000) as usize].into(),
        ContentImage::Special(_, rdev) => *rdev = number,
    }
}

/// Restores an image; a session that comes of it can be used, saved and restored again, and emptied.
pub fn use_image(image: &SessionImage) {
    let bytes = image.to_bytes();
    let image = SessionImage::from_bytes(&bytes).expect("it was just made");
    let Some(machine) = restored(&image) else { return };
    let saved = machine.session.with(|kernel| kernel.save()).expect("nothing runs");
    let again = restored(&saved).expect("a session that was restored can be parked again");
    let twice = again.session.with(|kernel| kernel.save()).expect("nothing runs");
    assert_eq!(saved, twice);
    check_books(&machine);
    let init = Proc { machine: &machine, pid: Pid::INIT };
    let mut files = 0;
    use_directory(init, "", &mut files);
    let _ = init.mkdir("/new");
    let _ = init.open("/new/file", NEW).map(|fd| (init.write(fd, b"new"), init.close(fd)));
    check_books(&machine);
    empty(init, "");
    check_books(&machine);
    machine.session.with(|kernel| {
        // What has no name any more is gone too.
        assert_eq!(kernel.root().inodes().len(), 1, "{:?}", kernel.root());
    });
}

fn restored(image: &SessionImage) -> Option<Machine> {
    let template = parked_template();
    let host = Arc::new(FakeHost::default());
    host.realtime.store(1_800_000_000_000_000_000, Ordering::SeqCst);
    let (runtime, driver) = (Arc::new(FakeRuntime::default()), Arc::new(FakeDriver::default()));
    let world = World { host: host.clone(), runtimes: Arc::from([runtime.clone() as Arc<dyn Runtime>]), egress: None };
    let blobs: Arc<dyn Blobs> = Arc::new(Nothing);
    let kernel = Kernel::restore(world, template.clone(), image, &blobs).ok()?;
    Some(Machine { session: Session::new(kernel, driver.clone()), host, runtime, driver, template })
}

/// What the tree says it holds is what its inodes hold.
fn check_books(machine: &Machine) {
    machine.session.with(|kernel| {
        let tree = kernel.root();
        let own = |inode: &&Arc<warren_kernel::vfs::inode::Inode>| inode.lsn != Lsn::ZERO;
        let charged: u64 = tree.inodes().iter().map(|(_, inode)| inode).filter(own).map(|inode| inode.charged()).sum();
        let owned: u64 = tree.inodes().iter().map(|(_, inode)| inode).filter(own).map(|inode| inode.weight()).sum();
        assert_eq!((tree.used().bytes, tree.used().inodes), (charged, owned));
    });
}

fn use_directory(init: Proc<'_>, directory: &str, files: &mut usize) {
    let Ok(names) = init.names(if directory.is_empty() { "/" } else { directory }) else { return };
    for name in names.iter().filter(|name| *name != "." && *name != "..") {
        *files += 1;
        if *files > FILES_MAX {
            return;
        }
        let path = format!("{directory}/{name}");
        let Ok(stat) = init.lstat(&path) else { continue };
        match stat.kind {
            FileKind::Directory => use_directory(init, &path, files),
            FileKind::Regular => use_file(init, &path, stat.size),
            FileKind::Symlink => drop(init.readlink(&path)),
            _ => {}
        }
    }
}

/// Reads, writes and cuts a file at its beginning, at its end, and where the edge of a block is.
fn use_file(init: Proc<'_>, path: &str, size: u64) {
    let Ok(fd) = init.open(path, RW) else { return };
    for offset in [0, 65_530, size.saturating_sub(100), size / 2, u64::MAX >> 1] {
        let _ = init.call(|kernel, call| kernel.pread(call, fd, offset, 70_000, &mut |_| ()));
        for whence in [Whence::Data, Whence::Hole] {
            let _ = init.call(|kernel, call| kernel.seek(call, fd, offset as i64, whence));
        }
    }
    let _ = init.call(|kernel, call| kernel.data_extent(call, fd, 3));
    let _ = init.call(|kernel, call| kernel.pwrite(call, fd, size.saturating_sub(3), &[b"12345"]));
    let _ = init.call(|kernel, call| kernel.pwrite(call, fd, 65_530, &[b"1234567890"]));
    let _ = init.call(|kernel, call| kernel.punch_hole(call, fd, 100, 65_500));
    let _ = init.set_len(fd, size / 2 + 1);
    let _ = init.set_len(fd, size);
    let _ = init.close(fd);
}

fn empty(init: Proc<'_>, directory: &str) {
    let shown = if directory.is_empty() { "/" } else { directory };
    for name in init.names(shown).expect("init may list it").iter().filter(|name| *name != "." && *name != "..") {
        let path = format!("{directory}/{name}");
        if init.lstat(&path).expect("it was just listed").kind == FileKind::Directory {
            empty(init, &path);
            init.rmdir(&path).expect("it is empty");
        } else {
            init.unlink(&path).expect("init may");
        }
    }
}
