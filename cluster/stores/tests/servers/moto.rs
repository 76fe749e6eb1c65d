//! The S3 of moto, which was written from AWS's documents by others: what it and our double agree on is not our invention.
use super::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// All that is installed, each with its hashes: `pip-compile --generate-hashes` of `flask`, `flask-cors` and `moto[s3]`.
const REQUIREMENTS: &str = include_str!("moto-requirements.txt");
/// What pip says when it cannot reach an index.
const NO_NETWORK: &[&str] =
    &["NewConnectionError", "ConnectTimeout", "NameResolutionError", "No matching distribution", "ProxyError"];

/// A server that ends with the test.
#[derive(Debug)]
pub(crate) struct Moto {
    child: Child,
    pub(crate) endpoint: String,
}

impl Moto {
    /// Starts one with a bucket named `bucket`. `None`, with a printed reason, where it cannot be had.
    pub(crate) fn start() -> Option<Moto> {
        let program = match installed() {
            Ok(folder) => folder.join("bin/moto_server"),
            Err(why) => {
                assert!(std::env::var_os("AGENT_TESTS").is_none(), "moto cannot be had: {why}");
                println!("skipped: moto: {why}");
                return None;
            }
        };
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Moto { child: command.spawn().unwrap(), endpoint: format!("http://127.0.0.1:{port}") };
        for _ in 0..600 {
            if bucket_made(port) {
                return Some(moto);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto does not answer");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for a bucket named `bucket`. It takes requests that are not signed.
fn bucket_made(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request = "PUT /bucket HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let asked = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    asked.is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// A folder with moto in it, as the hashes say.
fn installed() -> Result<PathBuf, String> {
    let home = PathBuf::from(std::env::var_os("HOME").ok_or("HOME is not set")?);
    let cache = home.join(".cache/warren");
    let hash = blake3::hash(REQUIREMENTS.as_bytes()).to_hex();
    let folder = cache.join(format!("moto-{}", &hash[..16]));
    if folder.join("whole").exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&cache).map_err(|why| why.to_string())?;
    // A virtual environment knows its own path, so it is made where it stays; the file `whole` says that it is.
    let lock = std::fs::File::create(cache.join("moto.lock")).map_err(|why| why.to_string())?;
    lock.lock().map_err(|why| why.to_string())?;
    if folder.join("whole").exists() {
        return Ok(folder);
    }
    let _ = std::fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS).map_err(|why| why.to_string())?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "-q", "--disable-pip-version-check", "--retries", "1", "--require-hashes", "-r"]);
    run(pip.arg(&requirements))?;
    mark(&folder.join("whole"))?;
    Ok(folder)
}

fn mark(path: &Path) -> Result<(), String> {
    std::fs::write(path, "").map_err(|why| why.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    let Output { status, stdout, stderr } = command.output().map_err(|why| format!("{command:?}: {why}"))?;
    if status.success() {
        return Ok(());
    }
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let venv = command.get_program() == "python3";
    assert!(venv || NO_NETWORK.iter().any(|word| text.contains(word)), "{command:?}: {text}");
    Err(text)
}
