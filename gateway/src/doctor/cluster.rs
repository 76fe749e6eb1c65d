//! Whether the stores of a cluster can be trusted by more than one node: they are tried.

use super::Report;
use clap::Args;
use std::sync::Arc;
use warren_stores::probe::{Outcome, PREFIX, ProbeOptions, Report as Probed, probe, probe_bucket};
use warren_stores::redis::{Redis, RedisOptions, RedisStore, RedisStoreOptions};
use warren_stores::s3::{S3Options, S3Store};

#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Also try the stores of a cluster, --bucket and --redis, with objects that are removed again.
    #[arg(long)]
    cluster: bool,
    /// The bucket. Who we are is said by the environment, the profile or the machine, as of AWS's own tools.
    #[arg(long, value_name = "NAME", requires = "cluster")]
    bucket: Option<String>,
    /// What the keys in the bucket begin with; ends with a slash.
    #[arg(long, value_name = "PREFIX", requires = "bucket")]
    prefix: Option<String>,
    /// The region of the bucket.
    #[arg(long, value_name = "NAME", requires = "bucket")]
    region: Option<String>,
    /// The service that has the bucket, if it is not AWS: http:// or https:// and a host.
    #[arg(long, value_name = "URL", requires = "bucket")]
    s3_endpoint: Option<String>,
    /// The Redis: redis://HOST:PORT, redis-sentinel://HOST:PORT,.../SERVICE or redis-cluster://HOST:PORT,...
    #[arg(long, value_name = "URL", requires = "cluster")]
    redis: Option<String>,
}

const WHICH: &str = "say which store: `warren doctor --cluster --bucket NAME --redis URL`";
const MEND_REDIS: &str = "correct --redis, or start a Redis there";

/// Tries what is named.
pub(super) fn check(report: &mut Report, arguments: &ClusterArguments) {
    if !arguments.cluster {
        return;
    }
    if arguments.bucket.is_none() && arguments.redis.is_none() {
        report.error("cluster", "neither a bucket nor a Redis is named", WHICH);
        return;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => return report.error("cluster", format!("there is no executor: {why}"), "free memory or threads"),
    };
    runtime.block_on(async {
        if let Some(bucket) = &arguments.bucket {
            check_bucket(report, bucket, arguments).await;
        }
        if let Some(url) = &arguments.redis {
            check_redis(report, url).await;
        }
    });
}

async fn check_bucket(report: &mut Report, bucket: &str, arguments: &ClusterArguments) {
    let options = S3Options {
        prefix: arguments.prefix.clone().unwrap_or_default(),
        region: arguments.region.clone(),
        endpoint: arguments.s3_endpoint.clone(),
        ..S3Options::new(bucket)
    };
    match S3Store::open(options).await {
        Ok(store) => {
            let found = probe_bucket(&Arc::new(store), ProbeOptions::default()).await;
            told(report, "cluster.bucket", &format!("the bucket {bucket}"), &found);
        }
        Err(why) => report.error("cluster.bucket", why.to_string(), "correct the option it names"),
    }
}

async fn check_redis(report: &mut Report, url: &str) {
    match Redis::new(RedisOptions::new(url)) {
        Ok(redis) => {
            let store = RedisStore::new(redis, RedisStoreOptions::default());
            told(report, "cluster.redis", "the Redis", &probe(Arc::new(store), ProbeOptions::default()).await);
        }
        Err(why) => report.error("cluster.redis", why.to_string(), MEND_REDIS),
    }
}

/// One finding for each that was tried.
fn told(report: &mut Report, check: &'static str, name: &str, found: &Probed) {
    for row in &found.rows {
        let what = format!("{name}: {}: {}", row.check, row.detail);
        match row.outcome {
            Outcome::Passed => report.ok(check, what),
            Outcome::Failed => {
                report.error(check, what, "use a store whose conditional writes hold, or run a single node")
            }
            Outcome::Unknown => {
                let mend =
                    format!("see that it is there and lets us read, write, list and delete what begins with {PREFIX}");
                report.error(check, what, mend);
            }
            Outcome::Skipped => report.warning(check, format!("{what} (not tried)"), "mend what comes before it"),
        }
    }
}
