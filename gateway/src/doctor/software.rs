//! What sessions run and are given: packages, their compiled code, secrets.

use super::Report;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use warren_config::Config;
use warren_config::settings::Secret;
use warren_wasi_posix::software::Store;

pub(super) fn check(report: &mut Report, config: &Config) {
    packages(report);
    for (name, secret) in &config.secrets {
        let missing = match secret {
            Secret::Env(variable) => match std::env::var_os(variable) {
                Some(_) => None,
                None => Some(format!("the variable {variable} is not set here")),
            },
            Secret::File(path) => std::fs::File::open(path).err().map(|error| format!("{}: {error}", path.display())),
        };
        if let Some(why) = missing {
            let what = format!("the secret `{name}` has no value: {why}");
            report.warning("secrets", what, "commands that are to have it do not start; give it where the server runs");
        }
    }
}

fn packages(report: &mut Report) {
    let Some(root) = Store::default_root(&|name| std::env::var_os(name)) else {
        let mend = "set WARREN_CACHE or HOME to a folder of the server's user";
        return report.error("software", "there is no folder to keep software in", mend);
    };
    // Looking makes nothing.
    if !root.exists() {
        let what = format!("{} is not there: sessions have no commands until there is software", root.display());
        return report.warning(
            "software",
            what,
            "`warren software add`; a server with a network does it when it starts",
        );
    }
    match Store::open(&root).and_then(|store| store.packages()) {
        Ok(found) if found.is_empty() => {
            let what = format!("no package is installed in {}: sessions have no commands", root.display());
            report.warning("software", what, "`warren software add`; a server with a network does it when it starts");
        }
        Ok(found) => report.ok("software", format!("{} packages in {}", found.len(), root.display())),
        Err(error) => {
            report.error("software", error.to_string(), "`warren software verify`, then `warren software add NAME`")
        }
    }
    code(report, &root.join("code"));
}

/// Compiled code: machine code that a server runs.
fn code(report: &mut Report, folder: &Path) {
    let Ok(metadata) = std::fs::metadata(folder) else {
        let what = "nothing is compiled yet: the first use of each command takes longer";
        return report.warning("compiled_code", what, "`warren software compile`");
    };
    let (mode, owner) = (metadata.permissions().mode() & 0o777, metadata.uid());
    let own = rustix::process::geteuid().as_raw();
    if owner != own || mode & 0o022 != 0 {
        let what = format!("{} is of user {owner} with mode {mode:04o}; others could put code there", folder.display());
        return report.error("compiled_code", what, format!("chown {own} and chmod 700 {}", folder.display()));
    }
    let engines = folder.read_dir().into_iter().flatten().flatten().filter_map(|engine| engine.path().read_dir().ok());
    let modules = engines.flatten().flatten().filter(|file| file.path().extension().is_some_and(|it| it == "cwasm"));
    match modules.count() {
        0 => {
            let what = "nothing is compiled yet: the first use of each command takes longer";
            report.warning("compiled_code", what, "`warren software compile`");
        }
        count => report.ok("compiled_code", format!("{count} modules in {}", folder.display())),
    }
}
