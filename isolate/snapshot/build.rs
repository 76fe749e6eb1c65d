//! Makes the snapshot: the extensions' scripts run once, here, and what they made is what every guest begins with. Scripts
//! that are only loaded when a program asks for them go along as text.

use deno_core::snapshot::{CreateSnapshotOptions, create_snapshot};
use deno_core::{Extension, ExtensionFileSource, ExtensionFileSourceCode, v8};
use deno_node::{ContextInitMode, VM_CONTEXT_INDEX, create_v8_context, init_global_template};
use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use warren_isolate_extensions::BOUNDS;
use warren_isolate_extensions::list::extensions;
use warren_isolate_extensions::transpile::transpile;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    let extensions = extensions();
    let (scripts, modules) =
        (later(&extensions, |e| &e.lazy_loaded_js_files), later(&extensions, |e| &e.lazy_loaded_esm_files));
    let made = create_snapshot(
        CreateSnapshotOptions {
            cargo_manifest_dir: env!("CARGO_MANIFEST_DIR"),
            startup_snapshot: None,
            extensions,
            extension_transpiler: Some(Rc::new(transpile)),
            // node:vm makes its contexts of this one.
            with_runtime_cb: Some(Box::new(|runtime| {
                let isolate = runtime.v8_isolate();
                v8::scope!(scope, isolate);
                let template = init_global_template(scope, ContextInitMode::ForSnapshot);
                let context = create_v8_context(scope, template, ContextInitMode::ForSnapshot, std::ptr::null_mut());
                {
                    let scope = &mut v8::ContextScope::new(scope, context);
                    let bounds = v8::String::new(
                        scope,
                        &format!("{BOUNDS}\ndelete globalThis.bound; delete globalThis.growing;"),
                    )
                    .expect("a short script");
                    let bounds = v8::Script::compile(scope, bounds, None).expect("it is a script");
                    bounds.run(scope).expect("it runs");
                }
                assert_eq!(scope.add_context(context), VM_CONTEXT_INDEX);
            })),
            skip_op_registration: false,
        },
        None,
    );
    let made = made.expect("the extensions' scripts run");
    std::fs::write(out.join("snapshot.bin"), &made.output).expect("the target folder takes files");
    let taken: HashSet<&str> = made.consumed_lazy_specifiers.iter().map(String::as_str).collect();
    let mut table = String::new();
    for (name, files) in [("SCRIPTS", scripts), ("MODULES", modules)] {
        let files: Vec<_> = files.into_iter().filter(|(specifier, _)| !taken.contains(specifier.as_str())).collect();
        let _ = writeln!(table, "pub static LATER_{name}: &[(&str, &str)] = &[");
        for (index, (specifier, path)) in files.iter().enumerate() {
            let file = format!("{}_{index}.js", name.to_lowercase());
            std::fs::write(out.join(&file), text(specifier, path)).expect("the target folder takes files");
            let _ = writeln!(table, "    ({specifier:?}, include_str!(concat!(env!(\"OUT_DIR\"), \"/{file}\"))),");
        }
        table.push_str("];\n");
    }
    std::fs::write(out.join("later.rs"), table).expect("the target folder takes files");
    let from = made
        .files_loaded_during_snapshot
        .iter()
        .filter(|path| !path.starts_with(std::env::var_os("CARGO_HOME").unwrap_or_default()));
    from.for_each(|path| say("cargo:rerun-if-changed", path));
    say("cargo:rerun-if-changed", Path::new("build.rs"));
}

#[allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn say(what: &str, path: &Path) {
    println!("{what}={}", path.display());
}

/// The files of one kind that are loaded when asked for.
fn later(extensions: &[Extension], of: impl Fn(&Extension) -> &[ExtensionFileSource]) -> Vec<(String, PathBuf)> {
    let mut files: Vec<_> = extensions.iter().flat_map(|extension| of(extension).iter().filter_map(on_disk)).collect();
    files.sort();
    files.dedup_by(|one, other| one.0 == other.0);
    files
}

#[allow(deprecated, reason = "the kinds that are none of ours are named nowhere else")]
fn on_disk(file: &ExtensionFileSource) -> Option<(String, PathBuf)> {
    match &file.code {
        ExtensionFileSourceCode::LoadedFromFsDuringSnapshot(path) => Some((file.specifier.to_string(), path.into())),
        _ => None,
    }
}

fn text(specifier: &str, path: &Path) -> String {
    let source = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (text, _) = transpile(specifier.to_owned().into(), source.into()).unwrap_or_else(|error| panic!("{error}"));
    text.as_str().to_owned()
}
