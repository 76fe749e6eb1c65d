//! Where an access key comes from when none is given.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use servers::{double, options};
use std::process::Command;
use warren_s3_double::server::{ACCESS_KEY, SECRET_KEY};
use warren_storage::store::{Key, Store};
use warren_stores::s3::{S3Options, S3Store};

/// Run by the test below, in an environment of its own.
#[test]
#[ignore = "the other test runs it"]
fn child() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = std::env::var("TEST_ENDPOINT").unwrap();
        let store = S3Store::open(S3Options { credentials: None, ..options(&endpoint) }).await.unwrap();
        println!("says: {:?}", store.get(&Key::new("a").unwrap()).await);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_comes_from_the_environment_or_a_profile_or_is_missed() {
    let double = double().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    std::fs::write(&file, format!("[some]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"))
        .unwrap();
    let file = file.to_str().unwrap();
    let run = async |variables: &[(&str, &str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env_clear()
            .env("TEST_ENDPOINT", double.endpoint());
        command.env("HOME", dir.path()).env("AWS_EC2_METADATA_DISABLED", "true").envs(variables.iter().copied());
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.lines().find_map(|line| Some(line.split_once("says: ")?.1.to_owned())).unwrap_or(text)
    };
    let good = run(&[("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)]).await;
    assert_eq!(good, "Ok(None)");
    let good = run(&[("AWS_SHARED_CREDENTIALS_FILE", file), ("AWS_PROFILE", "some")]).await;
    assert_eq!(good, "Ok(None)");
    let none = run(&[]).await;
    assert!(none.contains("there are no credentials") && none.contains("AWS_ACCESS_KEY_ID"), "{none}");
}
