use super::*;

fn line(text: &str) -> Result<CommandLine, CommandError> {
    parse(text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned))
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
    assert_eq!(line("").unwrap().main, Main::Input);
    let parsed = line("- a").unwrap();
    assert_eq!((parsed.main, parsed.arguments), (Main::Input, vec!["a".to_owned()]));
}

#[test]
fn what_node_does_not_have_is_refused() {
    assert_eq!(line("--nonsense"), Err(CommandError::Unknown("--nonsense".to_owned())));
    assert_eq!(line("-e"), Err(CommandError::NoValue("-e".to_owned())));
    let error = line("--input-type=text -e 0").unwrap_err();
    assert_eq!(error.to_string(), "--input-type=text is not supported; use module or commonjs");
}
