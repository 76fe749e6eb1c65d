#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::super::record::ProvidedFile;
use super::super::record::tests::{directory, entry, file, package};
use super::*;

fn at<'a>(projection: &'a Projection, path: &str) -> &'a LayerEntry {
    projection.entries.iter().find(|entry| entry.path == path).unwrap_or_else(|| panic!("no {path}"))
}

fn target<'a>(projection: &'a Projection, path: &str) -> &'a str {
    match &at(projection, path).content {
        LayerContent::Symlink { target } => target,
        other => panic!("{path} is {other:?}"),
    }
}

/// What every projection promises.
fn check(projection: &Projection) {
    let mut seen = HashMap::new();
    for entry in &projection.entries {
        path::check_absolute(&entry.path).unwrap();
        let is_directory = matches!(entry.content, LayerContent::Directory { .. });
        assert!(seen.insert(entry.path.as_str(), is_directory).is_none(), "{} twice", entry.path);
        let parent = path::parent(&entry.path).unwrap();
        assert!(parent == "/" || seen.get(parent) == Some(&true), "{} before its parent", entry.path);
    }
}

#[test]
fn loose_commands_are_files_in_usr_bin() {
    let commands = package("commands", Layout::Commands, &["ls", "sh"]);
    let projection = project([&commands]);
    check(&projection);
    let paths: Vec<_> = projection.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["/usr", "/usr/bin", "/usr/bin/ls", "/usr/bin/sh"]);
    assert_eq!(at(&projection, "/usr").content, LayerContent::Directory { implied: true });
    let ls = at(&projection, "/usr/bin/ls");
    assert_eq!((ls.mode, ls.uid, ls.gid), (0o755, 0, 0));
    assert!(matches!(ls.content, LayerContent::File { size: 2, .. }));
    assert!(projection.warnings.is_empty());
}

#[test]
fn a_package_is_a_tree_with_links_to_its_commands() {
    let mut tools = package("tools", Layout::Package, &["a"]);
    tools.entries.extend([
        directory("/share"),
        directory("/share/man"),
        directory("/share/man/man1"),
        file("/share/man/man1/a.1", b"page"),
    ]);
    tools.man_pages.push(ManPage { section: "1".into(), page: "a.1".into() });
    tools.man_pages.push(ManPage { section: "1".into(), page: "absent.1".into() });
    assert_eq!(tools.check(), Ok(()));
    let projection = project([&tools]);
    check(&projection);
    assert!(matches!(at(&projection, "/opt/agentos/pkgs/tools/1.0.0/bin/a").content, LayerContent::File { .. }));
    assert_eq!(at(&projection, "/opt/agentos/pkgs/tools/1.0.0").content, LayerContent::Directory { implied: false });
    assert_eq!(target(&projection, "/opt/agentos/pkgs/tools/current"), "1.0.0");
    assert_eq!(target(&projection, "/opt/agentos/bin/a"), "../pkgs/tools/current/bin/a");
    let page = "../../../pkgs/tools/current/share/man/man1/a.1";
    assert_eq!(target(&projection, "/opt/agentos/share/man/man1/a.1"), page);
    assert_eq!(projection.warnings, [Warning::Absent { path: "absent.1".into(), package: "tools@1.0.0".into() }]);
}

#[test]
fn links_lead_to_the_files_they_name() {
    let tools = package("tools", Layout::Package, &["a"]);
    let projection = project([&tools]);
    let command = "/opt/agentos/bin/a";
    let resolved = path::resolve_link(command, target(&projection, command)).unwrap();
    let resolved =
        resolved.replace("/current/", &format!("/{}/", target(&projection, "/opt/agentos/pkgs/tools/current")));
    assert!(matches!(at(&projection, &resolved).content, LayerContent::File { .. }));
}

#[test]
fn the_first_of_two_commands_wins() {
    let first = package("first", Layout::Package, &["a", "b"]);
    let second = package("second", Layout::Package, &["b", "c"]);
    let projection = project([&first, &second]);
    check(&projection);
    assert_eq!(target(&projection, "/opt/agentos/bin/b"), "../pkgs/first/current/bin/b");
    assert_eq!(target(&projection, "/opt/agentos/bin/c"), "../pkgs/second/current/bin/c");
    let taken = Warning::CommandTaken { command: "b".into(), package: "second@1.0.0".into(), by: "first@1.0.0".into() };
    assert_eq!(projection.warnings, [taken]);
    assert!(matches!(at(&projection, "/opt/agentos/pkgs/second/1.0.0/bin/b").content, LayerContent::File { .. }));
}

#[test]
fn a_package_hides_a_loose_command() {
    let loose = package("commands", Layout::Commands, &["grep", "ls"]);
    let grep = package("grep", Layout::Package, &["grep"]);
    let projection = project([&loose, &grep]);
    check(&projection);
    assert!(matches!(at(&projection, "/usr/bin/grep").content, LayerContent::File { .. }));
    let hidden =
        Warning::CommandHidden { command: "grep".into(), package: "commands@1.0.0".into(), by: "grep@1.0.0".into() };
    assert_eq!(projection.warnings, [hidden]);
}

#[test]
fn two_versions_do_not_mix() {
    let old = package("tools", Layout::Package, &["a", "b"]);
    let mut new = package("tools", Layout::Package, &["b", "c"]);
    new.version = "2.0.0".into();
    let projection = project([&old, &new]);
    check(&projection);
    assert_eq!(target(&projection, "/opt/agentos/pkgs/tools/current"), "1.0.0");
    assert_eq!(target(&projection, "/opt/agentos/bin/c"), "../pkgs/tools/2.0.0/bin/c");
    assert_eq!(projection.warnings.len(), 2);
    let again = project([&old, &old]);
    assert_eq!(again.entries, project([&old]).entries);
    assert_eq!(again.warnings.len(), 1);
}

#[test]
fn provided_files_appear_where_they_ask() {
    let mut tools = package("tools", Layout::Package, &["a"]);
    tools.entries.extend([directory("/etc"), file("/etc/rc", b"rc"), directory("/etc/sub"), file("/etc/sub/x", b"x")]);
    let provide = |source: &str, target: &str| ProvidedFile { source: source.into(), target: target.into() };
    tools.provides.files = vec![
        provide("/etc", "/usr/local/etc/tools"),
        provide("/bin/a", "/usr/local/bin/alias"),
        provide("/absent", "/x"),
        provide("/etc", "/"),
    ];
    assert_eq!(tools.check(), Ok(()));
    let projection = project([&tools]);
    check(&projection);
    assert!(matches!(at(&projection, "/usr/local/etc/tools/sub/x").content, LayerContent::File { size: 1, .. }));
    assert_eq!(at(&projection, "/usr/local/etc/tools").content, LayerContent::Directory { implied: false });
    assert_eq!(at(&projection, "/usr/local/etc").content, LayerContent::Directory { implied: true });
    assert!(matches!(at(&projection, "/usr/local/bin/alias").content, LayerContent::File { .. }));
    assert!(matches!(at(&projection, "/rc").content, LayerContent::File { .. }));
    assert_eq!(projection.warnings, [Warning::Absent { path: "/absent".into(), package: "tools@1.0.0".into() }]);
}

#[test]
fn a_file_in_the_way_is_a_warning() {
    let mut first = package("first", Layout::Package, &["a"]);
    first.provides.files = vec![ProvidedFile { source: "/bin/a".into(), target: "/data".into() }];
    let mut second = package("second", Layout::Package, &["b"]);
    second.provides.files = vec![
        ProvidedFile { source: "/bin".into(), target: "/data".into() },
        ProvidedFile { source: "/bin/b".into(), target: "/data/below".into() },
    ];
    let projection = project([&first, &second]);
    check(&projection);
    assert_eq!(projection.warnings.len(), 3, "{:?}", projection.warnings);
    assert!(projection.warnings.iter().all(|warning| matches!(warning, Warning::PathTaken { .. })));
}

#[test]
fn the_first_environment_wins() {
    let mut first = package("first", Layout::Package, &["a"]);
    first.provides.env.extend([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "1".to_owned())]);
    let mut second = package("second", Layout::Package, &["b"]);
    second.provides.env.extend([("A".to_owned(), "2".to_owned()), ("B".to_owned(), "1".to_owned())]);
    let projection = project([&first, &second]);
    assert_eq!(projection.env["A"], "1");
    let taken = Warning::EnvTaken { name: "A".into(), package: "second@1.0.0".into(), by: "first@1.0.0".into() };
    assert_eq!(projection.warnings, [taken]);
}

#[test]
fn links_and_modes_are_kept() {
    let mut tools = package("tools", Layout::Package, &["a"]);
    tools.entries.push(entry("/bin/b", 0o777, Node::Symlink { target: "a".into() }));
    tools.entries.push(entry("/lib", 0o700, Node::Directory));
    let projection = project([&tools]);
    assert_eq!(target(&projection, "/opt/agentos/pkgs/tools/1.0.0/bin/b"), "a");
    assert_eq!(at(&projection, "/opt/agentos/pkgs/tools/1.0.0/lib").mode, 0o700);
    assert!(projection.warnings.iter().all(|warning| !warning.to_string().is_empty()));
}
