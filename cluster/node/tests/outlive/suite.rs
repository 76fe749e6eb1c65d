//! A cluster of one process keeps every word of the trait, as a folder does.

use crate::cluster::{Cluster, Process};
use std::sync::Arc;
use tempfile::TempDir;
use warren_session::durability::{Durability, suite};

struct Place {
    cluster: Cluster,
    dir: TempDir,
    process: Option<Process>,
}

impl suite::Place for Place {
    fn open(&mut self) -> Arc<dyn Durability> {
        if let Some(before) = self.process.take() {
            before.die();
        }
        let (cluster, dir) = (&self.cluster, &self.dir);
        let start = || tokio::runtime::Handle::current().block_on(cluster.process(1, dir));
        let process = tokio::task::block_in_place(start);
        let keeper = Arc::new(process.keeper().clone());
        self.process = Some(process);
        keeper
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_keeps_every_word_of_the_trait() {
    let Some(cluster) = Cluster::start().await else { return };
    suite::run(|| Place { cluster: cluster.elsewhere(), dir: tempfile::tempdir().unwrap(), process: None }).await;
}
