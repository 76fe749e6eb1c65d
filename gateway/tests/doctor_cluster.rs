//! `warren doctor --cluster` on stores that can be trusted, on one that cannot, and on none.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;
/// Those the stores' own tests start.
#[path = "../../cluster/stores/tests/servers/mod.rs"]
mod servers;

use serde_json::Value;
use warren_s3_double::server::{ACCESS_KEY, SECRET_KEY};
use warren_s3_double::{Conditions, Double, Options};

/// What it finds about the cluster: level, check and words of each; and the errors it counts.
fn doctor(arguments: &[&str]) -> (Vec<(String, String, String)>, Option<i32>) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = common::warren();
    command.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--dir"]).arg(dir.path()).args(arguments);
    for name in ["WARREN_URL", "WARREN_KEY", "WARREN_CONFIG", "AWS_PROFILE", "AWS_REGION"] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", dir.path()).env("HOME", dir.path());
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    let said: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&done.stderr)));
    let found = said["findings"].as_array().unwrap().iter();
    let cluster = found.filter(|it| it["check"].as_str().unwrap().starts_with("cluster"));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = cluster
        .map(|it| (word(&it["level"]), word(&it["check"]), format!("{} {}", word(&it["what"]), word(&it["mend"]))));
    (rows.collect(), done.status.code())
}

async fn double(conditions: Conditions) -> Double {
    Double::start(Options { conditions, ..Options::default() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_compares_and_writes_at_once_is_trusted() {
    let double = double(Conditions::Kept).await;
    let (found, _) = doctor(&["--cluster", "--bucket", "bucket", "--s3-endpoint", &double.endpoint()]);
    assert_eq!(found.len(), 8, "{found:#?}");
    assert!(found.iter().all(|(level, check, _)| level == "ok" && check == "cluster.bucket"), "{found:#?}");
    assert!(double.objects().list("bucket", "", "", 10, 0).unwrap().0.is_empty(), "what was tried is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_races_is_refused_by_name_and_reason() {
    let double = double(Conditions::Racy).await;
    let (found, status) = doctor(&["--cluster", "--bucket", "bucket", "--s3-endpoint", &double.endpoint()]);
    assert_eq!(status, Some(1));
    let wrong = found.iter().find(|(level, ..)| level == "error").unwrap_or_else(|| panic!("{found:#?}"));
    assert!(
        wrong.2.contains("the bucket bucket") && wrong.2.contains("race") && wrong.2.contains("single node"),
        "{wrong:?}"
    );
}

#[test]
fn what_is_not_there_or_not_said_is_an_error_that_says_what_to_do() {
    let (found, status) = doctor(&["--cluster"]);
    assert_eq!((found.len(), status), (1, Some(1)));
    assert!(found[0].2.contains("--bucket NAME"), "{found:?}");

    let nowhere = format!("http://127.0.0.1:{}", servers::free_port());
    let (found, status) = doctor(&["--cluster", "--bucket", "bucket", "--s3-endpoint", &nowhere]);
    assert_eq!((found.len(), status), (8, Some(1)), "one is tried, the others are not: {found:#?}");
    assert_eq!(found.iter().filter(|(level, ..)| level == "error").count(), 1, "{found:#?}");

    let (found, status) = doctor(&["--cluster", "--bucket", "No Bucket", "--redis", "http://there"]);
    assert_eq!((found.len(), status), (2, Some(1)));
    assert!(found[0].2.contains("No Bucket") && found[1].2.contains("redis://host:port"), "{found:#?}");
}

#[test]
fn a_redis_is_tried_too() {
    let Some(server) = servers::redis::Server::start(&[]) else { return };
    let (found, _) = doctor(&["--cluster", "--redis", &server.url()]);
    assert_eq!(found.len(), 7, "{found:#?}");
    assert!(found.iter().all(|(level, check, _)| level == "ok" && check == "cluster.redis"), "{found:#?}");
}
