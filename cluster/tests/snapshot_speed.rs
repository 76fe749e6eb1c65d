//! What snapshots cost: `cargo test -p warren-cluster --test snapshot_speed -- --ignored --nocapture`, with the folder of
//! source text to store in `WARREN_SPEED` (else this workspace's).

#[path = "snapshot/trees.rs"]
mod trees;

use std::path::{Path, PathBuf};
use std::time::Instant;
use trees::{Bench, noise};

/// Bytes of text read, at most.
const BYTES_MAX: usize = 256 << 20;

/// CPU time of this process in seconds: the machine may be busy with something else.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn collect(folder: &Path, files: &mut Vec<Vec<u8>>, total: &mut usize) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if *total > BYTES_MAX {
            return;
        }
        if kind.is_dir() {
            collect(&entry.path(), files, total);
        } else if kind.is_file()
            && let Ok(bytes) = std::fs::read(entry.path())
        {
            *total += bytes.len();
            files.push(bytes);
        }
    }
}

#[test]
#[ignore = "prints figures, asserts no times"]
fn figures() {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("WARREN_SPEED").map_or(default, PathBuf::from);
    let (mut files, mut total) = (Vec::new(), 0);
    collect(&folder, &mut files, &mut total);
    let mut bench = Bench::new();
    let mut inos = Vec::new();
    for (number, bytes) in files.iter().enumerate() {
        inos.push(bench.file(format!("file{number}").as_bytes(), bytes));
    }
    let mb = total as f64 / 1e6;
    let began = cpu();
    let root = bench.checkpoint();
    let seconds = cpu() - began;
    let stored = bench.stored_bytes() as f64 / 1e6;
    eprintln!(
        "first snapshot: {} files, {mb:.0} MB in {seconds:.2} s: {:.0} MB/s on one core, {stored:.1} MB stored in {} packs",
        files.len(),
        mb / seconds,
        bench.packs()
    );
    let mut times = Vec::new();
    for round in 0..20_u8 {
        for number in 0..10 {
            let ino = inos[(number * 997 + usize::from(round) * 131) % inos.len()];
            bench.write(ino, 10, &noise(2000, round));
        }
        let before = (bench.packs(), bench.stored_bytes());
        let began = (Instant::now(), cpu());
        bench.checkpoint();
        let elapsed = (began.0.elapsed().as_secs_f64() * 1e3, (cpu() - began.1) * 1e3);
        times.push((elapsed, bench.packs() - before.0, bench.stored_bytes() - before.1));
    }
    times.sort_by(|one, two| one.0.1.total_cmp(&two.0.1));
    let ((wall, cpu_ms), objects, bytes) = times[10];
    eprintln!("checkpoint of 10 changed files: {wall:.2} ms, {cpu_ms:.2} ms of CPU; {objects} object, {bytes} bytes");
    let cold = Bench::with(bench.store.clone(), Default::default());
    let began = cpu();
    let (delta, _) = cold.read(&root);
    eprintln!("read of {} inodes, cold: {:.2} ms of CPU", delta.inodes.len(), (cpu() - began) * 1e3);
    let began = cpu();
    let report = cold.verify(&root);
    eprintln!("verify: {:.0} MB/s, {} chunks", report.bytes as f64 / 1e6 / (cpu() - began), report.chunks);
    assert_eq!(report.faults, vec![]);
    let mut small = Bench::new();
    small.file(b"notes.md", &noise(1200, 1));
    let root = small.checkpoint();
    let size = rmp_serde::to_vec_named(&root).expect("bytes").len();
    eprintln!("one file of 1200 random bytes: {} bytes stored, {size} bytes of reference", small.stored_bytes());
}
