//! What every implementation of `Durability` must do, on a folder of this machine.

use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Handle;
use warren_cluster::folder::{Folder, OpenError};
use warren_session::durability::{Durability, suite};
use warren_wasi_posix::system::SystemHost;

struct OnDisk(TempDir);

impl suite::Place for OnDisk {
    fn open(&mut self) -> Arc<dyn Durability> {
        // Work that was on its way when the one before was dropped keeps it open until it is done.
        for _ in 0..1000 {
            match Folder::new(self.0.path()).open(Arc::new(SystemHost), Handle::current()) {
                Ok((keeper, _)) => return Arc::new(keeper),
                Err(OpenError::Store { source: warren_cluster::store::OpenError::Lock(_), .. }) => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("it is never given up")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_every_word_of_the_trait() {
    suite::run(|| OnDisk(tempfile::tempdir().expect("a folder"))).await;
}
