//! The address the server is to listen on: free, its own, or somebody else's.

use super::Report;
use super::folder::Holder;
use crate::session::server::local_port;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use warren_config::Config;

pub(super) fn check(report: &mut Report, config: &Config, holder: Option<&Holder>) {
    let address = config.server.listen;
    if let Some(url) = holder.and_then(|holder| holder.url.as_ref()) {
        return match local_port(url) {
            Some(port) if address.port() == 0 || port == address.port() => {
                report.ok("port", format!("the server of the data folder listens at {url}"));
            }
            _ => report.warning(
                "port",
                format!("the server of the data folder listens at {url}, not at server.listen = {address}"),
                "restart it to take the configuration on, or name it by --url",
            ),
        };
    }
    let error = match TcpListener::bind(address) {
        Ok(_) => return report.ok("port", format!("{address} is free")),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::AddrInUse => {
            let by = listener(address.port()).unwrap_or("a process of another user".to_owned());
            let mend = "stop it, or give another port by server.listen or --listen";
            report.error("port", format!("{address} is taken by {by}"), mend);
        }
        ErrorKind::AddrNotAvailable => {
            let mend = "give an address of this machine by server.listen or --listen";
            report.error("port", format!("{} is no address of this machine", address.ip()), mend);
        }
        ErrorKind::PermissionDenied => {
            let mend = "give a port of 1024 or more, or CAP_NET_BIND_SERVICE to the server";
            report.error("port", format!("{address} is not for this user: {error}"), mend);
        }
        _ => report.error("port", format!("{address}: {error}"), "give another by server.listen or --listen"),
    }
}

/// Who listens at a port: the process that has the socket open, as far as this user may see.
fn listener(port: u16) -> Option<String> {
    /// The state of a socket that listens, in /proc/net/tcp.
    const LISTEN: &str = "0A";
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let inodes: Vec<String> = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (_, at) = words.get(1)?.rsplit_once(':')?;
            let is_it = u16::from_str_radix(at, 16).ok()? == port && *words.get(3)? == LISTEN;
            is_it.then(|| format!("socket:[{}]", words.get(9).unwrap_or(&"")))
        })
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let has = |link: PathBuf| link.to_str().is_some_and(|link| inodes.iter().any(|inode| inode == link));
        if descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(has) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("process {pid} ({})", name.trim()));
        }
    }
    None
}
