//! Compilers for the cases: this machine's for Linux, and any clang with a WASI libc for Warren.
//!
//! What was built is kept under the target folder, by a hash of all that went into it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to install where there is none.
const HOW: &str = "Debian: apt-get install --no-install-recommends clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32";

/// Versions of clang looked for, beside one in `WASI_CLANG` and a plain `clang`.
const VERSIONS: std::ops::RangeInclusive<u32> = 14..=24;

const NATIVE_FLAGS: &[&str] = &["-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror"];
const MODULE_FLAGS: &[&str] =
    &["--target=wasm32-wasi", "-D_GNU_SOURCE", "-Oz", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"];
/// A case may have a buffer of 64 KiB on its stack, which is all that a module has unless told.
const STACK: &str = "-Wl,-z,stack-size=1048576";
/// The overlay's sources.
const OVERLAY: [&str; 3] = ["kernel.c", "socket.c", "tty.c"];

/// Both compilers, probed.
#[derive(Debug)]
pub(super) struct Toolchain {
    folder: PathBuf,
    cache: PathBuf,
    native: Compiler,
    module: Compiler,
    /// The overlay, compiled.
    overlay: Vec<PathBuf>,
}

#[derive(Debug)]
struct Compiler {
    program: PathBuf,
    flags: Vec<String>,
    /// Its version and flags and all headers: what every hash begins with.
    identity: u64,
}

impl Toolchain {
    /// The compilers of this machine; `None`, with the reason printed, when one is missing.
    ///
    /// # Panics
    /// When the overlay does not compile.
    pub(super) fn find(folder: &Path) -> Option<Toolchain> {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("posix");
        fs::create_dir_all(&cache).unwrap();
        let Some(native) = Compiler::probe(Path::new("cc"), NATIVE_FLAGS, folder, &cache) else {
            println!("skipped: `cc` does not compile");
            return None;
        };
        let Some(module) = candidates().iter().find_map(|(clang, sysroot)| {
            let mut flags: Vec<&str> = MODULE_FLAGS.to_vec();
            flags.extend(sysroot.as_deref());
            Compiler::probe(clang, &flags, folder, &cache)
        }) else {
            println!("skipped: no clang here compiles for wasm32-wasi ({HOW})");
            return None;
        };
        let mut toolchain = Toolchain { folder: folder.to_owned(), cache, native, module, overlay: Vec::new() };
        toolchain.overlay = OVERLAY
            .map(|name| {
                let include = folder.join("include");
                let flags = ["-c", "-isystem", include.to_str().unwrap()];
                toolchain.module.compile(&folder.join(name), &flags, &[], &toolchain.cache, "o").unwrap()
            })
            .into();
        Some(toolchain)
    }

    /// A case's program for this machine.
    pub(super) fn native(&self, source: &Path) -> Result<PathBuf, String> {
        let flags = ["-I", self.folder.to_str().unwrap()];
        self.native.compile(source, &flags, &[], &self.cache, "linux")
    }

    /// A module of nothing but WASI and the libc as it is.
    pub(super) fn plain(&self, source: &Path) -> Result<PathBuf, String> {
        self.module.compile(source, &["-Wl,--strip-all"], &[], &self.cache, "wasm")
    }

    /// A case's module.
    pub(super) fn module(&self, source: &Path) -> Result<PathBuf, String> {
        let include = self.folder.join("include");
        let flags = [
            "-isystem",
            include.to_str().unwrap(),
            "-I",
            self.folder.to_str().unwrap(),
            "-nostartfiles",
            "-Wl,--strip-all",
            STACK,
        ];
        self.module.compile(source, &flags, &self.overlay, &self.cache, "wasm")
    }
}

/// A Rust program for this machine and as a module; `None`, with the reason printed, when no compiler here has the
/// standard library for WASI.
pub(super) fn rust(source: &Path) -> Option<(PathBuf, PathBuf)> {
    const HOW: &str = "Debian: apt-get install rustc libstd-rust-dev-wasm32, or rustup target add wasm32-wasip1";
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("posix");
    fs::create_dir_all(&cache).unwrap();
    let strip = ["-C", "link-arg=--strip-all"];
    let found = ["rustc", "/usr/bin/rustc"].into_iter().find_map(|program| {
        let compiler = Compiler::new(Path::new(program), &["-O", "--edition=2021"], 0)?;
        let module = ["wasm32-wasip1", "wasm32-wasi"].into_iter().find_map(|target| {
            let flags = [&["--target", target], &strip[..]].concat();
            compiler.compile(source, &flags, &[], &cache, "rust.wasm").ok()
        })?;
        Some((compiler.compile(source, &[], &[], &cache, "rust").unwrap(), module))
    });
    if found.is_none() {
        println!("skipped: no rustc here compiles for WASI ({HOW})");
    }
    found
}

/// Each clang with no sysroot of its own and with those a WASI SDK has.
fn candidates() -> Vec<(PathBuf, Option<String>)> {
    let mut clangs = vec![PathBuf::from("clang")];
    clangs.extend(VERSIONS.rev().map(|version| PathBuf::from(format!("clang-{version}"))));
    clangs.push(PathBuf::from("/opt/wasi-sdk/bin/clang"));
    if let Some(chosen) = std::env::var_os("WASI_CLANG") {
        clangs.insert(0, chosen.into());
    }
    let sysroot = std::env::var("WASI_SYSROOT").ok().map(|path| format!("--sysroot={path}"));
    clangs.into_iter().map(|clang| (clang, sysroot.clone())).collect()
}

impl Compiler {
    /// A compiler with these flags, if there is one of that name.
    fn new(program: &Path, flags: &[&str], headers: u64) -> Option<Compiler> {
        let version = Command::new(program).arg("--version").output().ok().filter(|found| found.status.success())?;
        let mut hasher = DefaultHasher::new();
        (version.stdout, flags, headers).hash(&mut hasher);
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Some(Compiler { program: program.to_owned(), flags, identity: hasher.finish() })
    }

    /// A C compiler that makes a program with these flags, or `None`.
    fn probe(program: &Path, flags: &[&str], folder: &Path, cache: &Path) -> Option<Compiler> {
        let compiler = Compiler::new(program, flags, headers(folder))?;
        let source = cache.join("probe.c");
        fs::write(&source, "#include <stdio.h>\nint main(void) { return puts(\"ready\") < 0; }\n").unwrap();
        compiler.compile(&source, &[], &[], cache, "probe").ok()?;
        Some(compiler)
    }

    /// Compiles one source, unless that was done before.
    fn compile(
        &self,
        source: &Path,
        flags: &[&str],
        objects: &[PathBuf],
        cache: &Path,
        kind: &str,
    ) -> Result<PathBuf, String> {
        let mut hasher = DefaultHasher::new();
        (self.identity, fs::read(source).map_err(|error| error.to_string())?, flags, objects).hash(&mut hasher);
        let stem = source.file_stem().unwrap().to_str().unwrap();
        let built = cache.join(format!("{stem}-{:016x}.{kind}", hasher.finish()));
        if built.exists() {
            return Ok(built);
        }
        // Written aside first: another test may look for it.
        let aside = tempfile::Builder::new().prefix(stem).tempfile_in(cache).map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.program);
        command.args(&self.flags).args(flags).arg(source).args(objects).arg("-o").arg(aside.path());
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}\n{complaint}", self.program.display(), source.display()));
        }
        fs::rename(aside.into_temp_path().keep().map_err(|error| error.to_string())?, &built)
            .map_err(|error| error.to_string())?;
        Ok(built)
    }
}

/// A hash of what every case includes: a change of any header builds everything anew.
fn headers(folder: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut folders = vec![folder.join("include")];
    let mut files = vec![folder.join("case.h")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    for file in files {
        fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}
