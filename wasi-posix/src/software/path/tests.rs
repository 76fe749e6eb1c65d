#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;

#[test]
fn absolute_paths_are_normalised_or_refused() {
    for good in ["/", "/bin", "/bin/ls", "/a/...", "/a b/ü"] {
        assert_eq!(check_absolute(good), Ok(()), "{good}");
    }
    let cases = [
        ("", PathRule::Empty),
        ("bin/ls", PathRule::NotAbsolute),
        ("//", PathRule::EmptyComponent),
        ("/bin/", PathRule::EmptyComponent),
        ("/bin//ls", PathRule::EmptyComponent),
        ("/bin/../etc", PathRule::DotComponent),
        ("/..", PathRule::DotComponent),
        ("/./a", PathRule::DotComponent),
        ("/a\0b", PathRule::Nul),
    ];
    for (path, rule) in cases {
        assert_eq!(check_absolute(path), Err(rule), "{path:?}");
    }
    assert_eq!(check_absolute(&format!("/{}", "a".repeat(256))), Err(PathRule::LongComponent));
    let longest = "/aaaaaaa".repeat(512);
    assert_eq!(longest.len(), PATH_BYTES_MAX);
    assert_eq!(check_absolute(&longest), Ok(()));
    assert_eq!(check_absolute(&format!("{longest}a")), Err(PathRule::TooLong));
}

#[test]
fn manifest_paths_are_relative_to_the_package() {
    assert_eq!(in_package("bin/ls").unwrap(), "/bin/ls");
    assert_eq!(in_package("./bin/ls").unwrap(), "/bin/ls");
    assert_eq!(in_package("/bin/ls").unwrap(), "/bin/ls");
    assert_eq!(in_package("share/").unwrap(), "/share");
    assert_eq!(in_package(".").unwrap(), "/");
    assert_eq!(in_package("../etc/passwd"), Err(PathRule::DotComponent));
    assert_eq!(in_package("bin/../../x"), Err(PathRule::DotComponent));
}

#[test]
fn identifiers_need_no_escaping() {
    for good in ["grep", "codex-cli", "0.2.21", "1.0.0-rc.1+build", "a"] {
        assert_eq!(check_identifier(good), Ok(()), "{good}");
    }
    for bad in ["", ".", "..", ".hidden", "a/b", "@scope/a", "a b", "a@b", "ü"] {
        assert!(check_identifier(bad).is_err(), "{bad}");
    }
}

#[test]
fn links_resolve_textually_and_may_not_climb_out() {
    assert_eq!(resolve_link("/bin/a", "b").as_deref(), Some("/bin/b"));
    assert_eq!(resolve_link("/bin/a", "../lib/./b//c").as_deref(), Some("/lib/b/c"));
    assert_eq!(resolve_link("/bin/a", "..").as_deref(), Some("/"));
    assert_eq!(resolve_link("/bin/a", "../../b"), None);
    assert_eq!(resolve_link("/bin/a", "/b"), None);
}

#[test]
fn parents_and_joins() {
    assert_eq!(parent("/"), None);
    assert_eq!(parent("/a"), Some("/"));
    assert_eq!(parent("/a/b"), Some("/a"));
    assert_eq!(base_name("/a/b"), "b");
    assert_eq!(join("/opt", "/"), "/opt");
    assert_eq!(join("/opt", "/a"), "/opt/a");
    assert_eq!(join("/", "/a"), "/a");
}
