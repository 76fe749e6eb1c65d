//! The programs of the suite.

use std::fs;
use std::path::{Path, PathBuf};

/// What every program can `require`, in its folder's `node_modules`.
pub(crate) const OBSERVE: (&str, &str) = ("node_modules/observe/index.js", include_str!("programs/observe.js"));

/// A program and what it is run with.
///
/// Its first lines may say more, one word a line:
///
/// ```text
/// //: stderr                      what it says on standard error counts too
/// //: input "one\ntwo"            its standard input; nothing unless it is said
/// //: options --expose-gc         words before the program's name
/// //: arguments a b               words after it
/// //: fails                       it ends with another status than 0
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Program {
    /// `MODULE/NAME`, as in `known.txt`.
    pub(crate) title: String,
    /// The name of its file.
    pub(crate) file: String,
    /// All files of its folder: names below it, and texts. The program itself is one.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) stderr: bool,
    pub(crate) input: String,
    pub(crate) options: Vec<String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) fails: bool,
}

impl Program {
    /// The part before the slash.
    pub(crate) fn module(&self) -> &str {
        self.title.split('/').next().unwrap_or_default()
    }

    /// The words after `node`.
    pub(crate) fn words(&self) -> Vec<&str> {
        let file = std::iter::once(&self.file);
        self.options.iter().chain(file).chain(&self.arguments).map(String::as_str).collect()
    }

    fn read(module: &str, path: &Path) -> Program {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(path).unwrap();
        let mut program = Program { title: format!("{module}/{name}"), file: file.clone(), ..Program::default() };
        for line in text.lines().map_while(|line| line.strip_prefix("//: ")) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let words = || rest.split_whitespace().map(str::to_owned).collect();
            match word {
                "stderr" => program.stderr = true,
                "input" => program.input = unescaped(rest),
                "options" => program.options = words(),
                "arguments" => program.arguments = words(),
                "fails" => program.fails = true,
                other => panic!("{}: no program can say {other:?}", path.display()),
            }
        }
        program.files = vec![(file, text), (OBSERVE.0.to_owned(), OBSERVE.1.to_owned())];
        let beside = path.with_extension("");
        if beside.is_dir() {
            collect(&beside, &beside, &mut program.files);
        }
        program
    }
}

/// The folder that has a folder of programs for each module. Files of a folder `MODULE/NAME/` lie beside the program `NAME`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/programs")
}

/// All of them, in the order of their titles.
pub(crate) fn all() -> Vec<Program> {
    let mut programs = Vec::new();
    for module in sorted(&folder()).into_iter().filter(|path| path.is_dir()) {
        let name = module.file_name().unwrap().to_str().unwrap().to_owned();
        let files = sorted(&module).into_iter().filter(|path| path.is_file());
        programs.extend(files.map(|path| Program::read(&name, &path)));
    }
    for pair in programs.windows(2) {
        assert!(pair[0].title != pair[1].title, "two programs are called {}", pair[0].title);
    }
    programs
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn collect(top: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for path in sorted(folder) {
        if path.is_dir() {
            collect(top, &path, files);
        } else {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// A quoted string with `\n`, `\r`, `\t`, `\\` and `\"`.
fn unescaped(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("an input is quoted");
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.push(match (character, character == '\\') {
            (other, false) => other,
            (_, true) => match characters.next().expect("something is escaped") {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            },
        });
    }
    text
}
