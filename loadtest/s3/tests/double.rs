//! What the double keeps, also over a restart, and that it runs as a program.
#![allow(clippy::unwrap_used, reason = "a test")]
use bytes::Bytes;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use warren_s3_double::Conditions;
use warren_s3_double::objects::{BEHIND_MAX, Condition, Objects, Refusal};

fn tag(text: &str) -> Condition {
    Condition::Tag(text.to_owned())
}

#[tokio::test]
async fn conditions_are_those_of_s3() {
    let objects = Objects::open(Conditions::Kept, None).unwrap();
    let put = async |bytes: &'static str, condition: Condition| {
        objects.put("b", "k", Bytes::from_static(bytes.as_bytes()), &condition).await
    };
    assert_eq!(put("one", Condition::None).await, Err(Refusal::NoBucket));
    objects.create_bucket("b");
    assert_eq!(put("one", tag("x")).await, Err(Refusal::NoKey));
    assert_eq!(put("one", Condition::Present).await, Err(Refusal::NoKey));
    let first = put("one", Condition::Absent).await.unwrap();
    assert_eq!(put("one", Condition::Absent).await, Err(Refusal::Condition));
    let second = put("two", tag(&first)).await.unwrap();
    assert_eq!(put("two", tag(&first)).await, Err(Refusal::Condition));
    assert_eq!(put("one", tag(&second)).await.unwrap(), first, "the same bytes have the same tag");
    assert_eq!(objects.delete("b", "k", &tag(&second)).await, Err(Refusal::Condition));
    objects.delete("b", "k", &tag(&first)).await.unwrap();
    assert_eq!(objects.delete("b", "k", &tag(&first)).await, Err(Refusal::NoKey));
    objects.delete("b", "k", &Condition::None).await.unwrap();
}

#[tokio::test]
async fn parts_are_an_object_when_they_are_all_there() {
    let objects = Objects::open(Conditions::Kept, None).unwrap();
    objects.create_bucket("b");
    let upload = objects.begin_upload("b", "k").unwrap();
    let one = objects.put_part("b", "k", &upload, 1, Bytes::from_static(b"one ")).unwrap();
    let two = objects.put_part("b", "k", &upload, 2, Bytes::from_static(b"two")).unwrap();
    assert_eq!(objects.put_part("b", "other", &upload, 1, Bytes::new()), Err(Refusal::NoUpload));
    let complete =
        async |parts: &[(i32, String)]| objects.complete_upload("b", "k", &upload, parts, &Condition::Absent).await;
    assert_eq!(complete(&[(1, two.clone())]).await, Err(Refusal::InvalidPart));
    assert_eq!(complete(&[(3, two.clone())]).await, Err(Refusal::InvalidPart));
    assert!(objects.get("b", "k").unwrap().is_none());
    let parts = [(1, one), (2, two)];
    let done = complete(&parts).await.unwrap();
    assert!(done.ends_with("-2"));
    assert_eq!(objects.get("b", "k").unwrap().unwrap().bytes, "one two");
    assert_eq!(complete(&parts).await, Err(Refusal::NoUpload));
    assert_eq!(objects.open_uploads(), 0);
}

#[tokio::test]
async fn a_list_can_be_behind() {
    let objects = Objects::open(Conditions::Kept, None).unwrap();
    objects.create_bucket("b");
    for key in ["a", "b", "c"] {
        objects.put("b", key, Bytes::new(), &Condition::None).await.unwrap();
    }
    objects.delete("b", "a", &Condition::None).await.unwrap();
    let keys = |behind| -> Vec<String> {
        objects.list("b", "", "", 10, behind).unwrap().0.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(0), ["b", "c"]);
    assert_eq!(keys(1), ["a", "b", "c"]);
    assert_eq!(keys(2), ["a", "b"]);
    assert_eq!(keys(4), Vec::<String>::new());
    assert_eq!(keys(BEHIND_MAX), Vec::<String>::new());
    let (page, more) = objects.list("b", "", "", 1, 0).unwrap();
    assert_eq!((page[0].0.as_str(), more), ("b", true));
}

#[tokio::test]
async fn a_folder_keeps_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Objects::open(Conditions::Kept, Some(dir.path().to_path_buf())).unwrap();
    let objects = open();
    objects.create_bucket("b");
    let tag = objects.put("b", "a/../b c", Bytes::from_static(b"line\nline"), &Condition::None).await.unwrap();
    objects.put("b", "gone", Bytes::new(), &Condition::None).await.unwrap();
    objects.delete("b", "gone", &Condition::None).await.unwrap();
    drop(objects);
    let objects = open();
    let held = objects.get("b", "a/../b c").unwrap().unwrap();
    assert_eq!((held.bytes, held.tag), (Bytes::from_static(b"line\nline"), tag));
    assert!(objects.get("b", "gone").unwrap().is_none());
}

#[test]
fn it_is_a_program() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren-s3-double"));
    let mut child = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on http://").unwrap().split(',').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /bucket/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "who does not sign is nobody: {answer}");
    let wrong = Command::new(env!("CARGO_BIN_EXE_warren-s3-double")).args(["--fault", "odd:1"]).output().unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("is no fault"));
}
