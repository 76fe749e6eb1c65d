use super::*;

fn line(text: &str) -> Result<CommandLine, CommandError> {
    parse(text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned), None)
}

#[test]
fn a_file_ends_nodes_own_options() {
    let parsed = line("--no-warnings -r a --require=b script.js -e x --help").unwrap();
    assert_eq!(parsed.main, Main::File("script.js".to_owned()));
    assert_eq!(parsed.arguments, ["-e", "x", "--help"]);
    assert_eq!(parsed.require, ["a", "b"]);
    assert_eq!(parsed.options, ["--no-warnings", "-r", "a", "--require=b"]);
}

#[test]
fn text_takes_arguments_but_no_file() {
    let parsed = line("-p 1+1 a b").unwrap();
    assert_eq!(parsed.main, Main::Text { source: "1+1".to_owned(), print: true });
    assert_eq!(parsed.arguments, ["a", "b"]);
    assert_eq!(line("--eval=0 -- a").unwrap().arguments, ["a"]);
}

#[test]
fn without_a_file_standard_input_is_the_script() {
    assert_eq!(line("").unwrap().main, Main::Input { print: false });
    assert_eq!(line("-p").unwrap().main, Main::Input { print: true });
    let parsed = line("- a").unwrap();
    assert_eq!((parsed.main, parsed.arguments), (Main::Input { print: false }, vec!["a".to_owned()]));
}

#[test]
fn what_node_does_not_have_is_refused() {
    assert_eq!(line("--nonsense"), Err(CommandError::Unknown("--nonsense".to_owned())));
    assert_eq!(line("-e"), Err(CommandError::NoValue("-e".to_owned())));
    let error = line("--input-type=text -e 0").unwrap_err();
    assert_eq!(
        error.to_string(),
        "--input-type must be \"module\",\"commonjs\", \"module-typescript\" or \"commonjs-typescript\""
    );
    assert_eq!(line("-r -e 0"), Err(CommandError::NoValue("-r".to_owned())));
    assert_eq!(line("--no-nope x"), Err(CommandError::Unknown("--no-nope".to_owned())));
    assert_eq!(line("-v --nope"), Err(CommandError::Unknown("--nope".to_owned())));
    assert_eq!(line("-c -e 0"), Err(CommandError::Both("--check", "--eval")));
}

#[test]
fn options_are_named_as_the_engine_names_them_too() {
    let parsed =
        line("--stack_trace_limit=3 --max_old_space_size=99 --no-experimental-fetch --throw-deprecation a").unwrap();
    assert_eq!((parsed.stack_trace_limit, parsed.flags), (Some(3), vec!["throwDeprecation"]));
}

#[test]
fn the_environment_has_options_before_those_of_the_line() {
    let words = || ["-r", "b", "x.js"].map(str::to_owned);
    let parsed = parse(words(), Some("--require a --title=\"two words\"  --no-warnings")).unwrap();
    assert_eq!(parsed.require, ["a", "b"]);
    assert_eq!(parsed.options, ["-r", "b"]);
    for (text, why) in [
        ("--eval x", "--eval is not allowed in NODE_OPTIONS"),
        ("--zork", "--zork is not allowed in NODE_OPTIONS"),
        ("a.js", "a.js is not allowed in NODE_OPTIONS"),
        ("--title=\"x", "invalid value for NODE_OPTIONS (unterminated string)"),
        ("--require", "--require requires an argument"),
    ] {
        assert_eq!(parse(words(), Some(text)).unwrap_err().to_string(), why);
    }
}
