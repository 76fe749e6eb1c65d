//! What is left behind when the command is told to end in the middle: nothing.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{SignalKind, signal};

/// The file that is being written and has not got its name yet; a signal removes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Cleanup(Arc<Mutex<Option<PathBuf>>>);

impl Cleanup {
    /// Ends this process on SIGINT, SIGTERM and SIGHUP, as a shell would call it.
    ///
    /// # Errors
    /// Signals cannot be waited for.
    pub(super) fn on_signals() -> io::Result<Cleanup> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // From here on they are caught.
        let (mut interrupt, mut terminate, mut hang_up) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
        };
        let cleanup = Cleanup::default();
        let held = cleanup.clone();
        std::thread::spawn(move || {
            let status = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => 130,
                    _ = terminate.recv() => 143,
                    _ = hang_up.recv() => 129,
                }
            });
            // Held until the end: nothing new is begun.
            let staged = held.staged();
            if let Some(path) = &*staged {
                let _ = std::fs::remove_file(path);
            }
            std::process::exit(status)
        });
        Ok(cleanup)
    }

    /// Makes a file, which goes when the command is told to end. One that is there is somebody else's, and stays.
    pub(super) fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        // Held meanwhile: a signal comes before the file or after it is known.
        let mut staged = self.staged();
        let file = File::options().write(true).create_new(true).mode(mode).open(path)?;
        *staged = Some(path.to_owned());
        Ok(file)
    }

    /// It has its name, or is gone.
    pub(super) fn done(&self) {
        *self.staged() = None;
    }

    fn staged(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
