//! One isolate on its thread: made before anybody needs it, given a program once, gone with it.
//!
//! ```text
//! Worker::new ─▶ snapshot deserialised ─▶ waits ─▶ Worker::run(guest) ─▶ event loop until it is empty ─▶ how it ended
//! ```

use crate::command::{self, CommandLine, InputType, Main};
use crate::memory::Buffers;
use crate::modules::{Imports, Modules, Requires};
use crate::turns::out_of_memory;
use deno_core::error::{CoreError, CoreErrorKind, JsError, exception_to_err};
use deno_core::url::Url;
use deno_core::{ExtensionArguments, JsRuntime, ModuleLoader, PollEventLoopOptions, RuntimeOptions, v8};
use deno_node::NodeExtInitServices;
use node_resolver::{DenoIsBuiltInNodeModuleChecker, NodeResolver, NodeResolverOptions, PackageJsonResolver};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use warren_isolate_extensions::fs::KernelFs;
use warren_isolate_extensions::guest::{Ending, Guest};
use warren_isolate_extensions::ops::Outcome;
use warren_isolate_extensions::packages::{InPackage, Packages, Resolver};
use warren_isolate_extensions::sys::{Environment, KernelSys};
use warren_isolate_extensions::{list, permissions};
use warren_isolate_snapshot::{LATER_MODULES, LATER_SCRIPTS, SNAPSHOT};
use warren_kernel::id::Fd;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// What an isolate may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its heap.
    pub heap: usize,
    /// Bytes of its buffers and WebAssembly memories, which are outside the heap. Looked at while it runs, every 5 ms.
    pub outside: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { heap: 512 << 20, outside: 512 << 20 }
    }
}

/// What a heap may have above its limit until its guest has ended: an array or a string of the largest there is fits into it.
const HEADROOM_BYTES: usize = 1280 << 20;
/// The largest script on standard input.
const INPUT_BYTES_MAX: usize = 64 << 20;

/// An isolate that waits for its program, or runs it.
pub(crate) struct Worker {
    js: JsRuntime,
    loader: Rc<Late>,
    begin: v8::Global<v8::Function>,
    evaluate: v8::Global<v8::Function>,
    run_file: v8::Global<v8::Function>,
    before_exit: v8::Global<v8::Function>,
    exit: v8::Global<v8::Function>,
    fail: v8::Global<v8::Function>,
    heap_max: usize,
    buffers: Arc<Buffers>,
}

/// The loader of a program that is not known yet.
#[derive(Default)]
struct Late(RefCell<Option<Rc<Imports>>>);

impl Late {
    fn get(&self) -> Rc<Imports> {
        self.0.borrow().clone().expect("a program was given before it imports anything")
    }
}

impl ModuleLoader for Late {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        kind: deno_core::ResolutionKind,
    ) -> Result<deno_core::ModuleSpecifier, deno_core::error::ModuleLoaderError> {
        self.get().resolve(specifier, referrer, kind)
    }

    fn load(
        &self,
        specifier: &deno_core::ModuleSpecifier,
        referrer: Option<&deno_core::ModuleLoadReferrer>,
        options: deno_core::ModuleLoadOptions,
    ) -> deno_core::ModuleLoadResponse {
        self.get().load(specifier, referrer, options)
    }

    fn get_source_mapped_source_line(&self, file_name: &str, line_number: usize) -> Option<String> {
        let loader = self.0.borrow().clone()?;
        loader.0.line(file_name, line_number)
    }
}

impl Worker {
    /// An isolate without a program. On the thread it is to run on, inside its executor.
    pub(crate) fn new(limits: Limits) -> Worker {
        let loader = Rc::new(Late::default());
        let buffers = Buffers::new(limits.outside);
        let mut params = v8::CreateParams::default().heap_limits(0, limits.heap);
        params = params.array_buffer_allocator(buffers.allocator().make_shared());
        let mut js = JsRuntime::new(RuntimeOptions {
            module_loader: Some(loader.clone()),
            extensions: list::extensions(),
            startup_snapshot: Some(SNAPSHOT),
            residual_lazy_js_sources: LATER_SCRIPTS,
            residual_lazy_esm_sources: LATER_MODULES,
            create_params: Some(params),
            is_main: true,
            ..RuntimeOptions::default()
        });
        js.v8_isolate().set_oom_error_handler(out_of_memory);
        let [warm, begin, evaluate, run_file, before_exit, exit, fail] =
            functions(&mut js, ["warm", "begin", "evaluate", "runFile", "dispatchBeforeExit", "dispatchExit", "fail"]);
        let mut worker =
            Worker { js, loader, begin, evaluate, run_file, before_exit, exit, fail, heap_max: limits.heap, buffers };
        // It fails only if it is stopped, and nobody can yet.
        let _ = worker.call(&warm, |_| Vec::new());
        worker
    }

    /// What stops and interrupts it, on any thread.
    pub(crate) fn handle(&mut self) -> v8::IsolateHandle {
        self.js.v8_isolate().thread_safe_handle()
    }

    /// What its buffers take.
    pub(crate) fn buffers(&self) -> Arc<Buffers> {
        self.buffers.clone()
    }

    /// Runs a process's program to its end.
    pub(crate) async fn run(&mut self, guest: Guest) -> ExitStatus {
        let (handle, at_limit) = (self.js.v8_isolate().thread_safe_handle(), guest.clone());
        let most = self.heap_max.saturating_add(HEADROOM_BYTES);
        self.js.add_near_heap_limit_callback(move |now, _| {
            at_limit.end(Ending::Limit("FATAL ERROR: JavaScript heap out of memory".to_owned()));
            handle.terminate_execution();
            // An array that grows wants twice what it has, at once; native code may go on for a while, but not for ever.
            now.saturating_mul(2).min(most).max(now)
        });
        let ended = self.program(&guest).await;
        let code = match (guest.ending().cloned(), ended) {
            (Some(Ending::Exit(code)), _) => code,
            (Some(Ending::Signal(signal)), _) => return ExitStatus::Signaled(signal),
            (Some(Ending::Limit(why)), _) => {
                say(&guest, &format!("\n{why}\n"));
                return ExitStatus::Signaled(Signal::ABRT);
            }
            (None, Ok(code)) => code,
            (None, Err(why)) => {
                say(&guest, &why);
                1
            }
        };
        ExitStatus::Exited(code)
    }

    async fn program(&mut self, guest: &Guest) -> Result<u8, String> {
        let words = guest.with(|kernel, call| {
            let process = kernel.process(call.pid).map_err(|_| String::new())?;
            Ok::<_, String>(process.arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        });
        let words: Vec<String> = words?;
        let mut words = words.into_iter();
        let argv0 = words.next().unwrap_or_else(|| "node".to_owned());
        let line = match command::parse(words) {
            Ok(line) => line,
            Err(why) => {
                say(guest, &format!("{argv0}: {why}\n"));
                return Ok(9);
            }
        };
        if let Main::Say(text) = &line.main {
            print(guest, Fd::STDOUT, text);
            return Ok(0);
        }
        let started = self.start(guest, &argv0, &line).await;
        let started = match started {
            Ok(()) => self.turn_until_empty(guest).await,
            Err(error) => Err(error),
        };
        if guest.ending().is_some() {
            return Ok(0);
        }
        let last = match started {
            Ok(()) => self.exit.clone(),
            Err(error) => {
                say(guest, &report(&error));
                self.fail.clone()
            }
        };
        self.call(&last, |_| Vec::new()).map_err(|error| report(&error))?;
        let state = self.js.op_state();
        let code = state.borrow().borrow::<Outcome>().code;
        Ok(code as u8)
    }

    async fn start(&mut self, guest: &Guest, argv0: &str, line: &CommandLine) -> Result<(), CoreError> {
        let environment = Environment::of(guest);
        let modules = self.equip(guest, &environment, line)?;
        let cwd = cwd(guest);
        let (file, source) = match &line.main {
            Main::File(name) => (Some(find_main(guest, &cwd, name)), None),
            Main::Text { source, print } => (None, Some((source.clone(), *print, "[eval]"))),
            Main::Input | Main::Say(_) => (None, Some((read_input(guest), false, "[stdin]"))),
        };
        let mut argv: Vec<String> = file.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        argv.extend(line.arguments.iter().cloned());
        self.begin(guest, argv0, &argv, line)?;
        for name in &line.import {
            let from = Url::from_file_path(Path::new(&cwd).join("x")).map_err(|()| other("no working directory"))?;
            let found = self.loader.get().resolve(name, from.as_str(), deno_core::ResolutionKind::Import);
            let id = self.js.load_side_es_module(&found.map_err(CoreError::from)?).await?;
            self.evaluate_module(id, guest).await?;
        }
        if let Some(path) = file {
            if modules.is_commonjs(&path).map_err(CoreError::from)? || path.extension().is_some_and(|e| e == "json") {
                let path = path.to_string_lossy().into_owned();
                return self.call(&self.run_file.clone(), |scope| {
                    vec![v8::String::new(scope, &path).map(Into::into).unwrap_or_else(|| v8::undefined(scope).into())]
                });
            }
            let url = Url::from_file_path(&path).map_err(|()| other("the program's path is not absolute"))?;
            let id = self.js.load_main_es_module(&url).await?;
            return self.evaluate_module(id, guest).await;
        }
        let Some((source, print, name)) = source else { return Ok(()) };
        if line.input_type == Some(InputType::Module) {
            let url =
                Url::from_file_path(Path::new(&cwd).join("[eval1]")).map_err(|()| other("no working directory"))?;
            let id = self.js.load_main_es_module_from_code(&url, source).await?;
            return self.evaluate_module(id, guest).await;
        }
        self.call(&self.evaluate.clone(), |scope| {
            let object = v8::Object::new(scope);
            set(scope, object, "source", &source);
            set(scope, object, "name", name);
            let key = v8::String::new(scope, "print").expect("a short string");
            let print = v8::Boolean::new(scope, print);
            object.set(scope, key.into(), print.into());
            vec![object.into()]
        })
    }

    /// Gives the extensions what belongs to the guest.
    fn equip(
        &mut self,
        guest: &Guest,
        environment: &Environment,
        line: &CommandLine,
    ) -> Result<Rc<Modules>, CoreError> {
        let sys = KernelSys::new(guest.clone(), environment.clone());
        let packages: node_resolver::PackageJsonResolverRc<KernelSys> =
            PackageJsonResolver::new(sys.clone(), None).into();
        let conditions = line.conditions.iter().map(|name| name.clone().into()).collect();
        let resolver: deno_node::NodeResolverRc<InPackage, Packages, KernelSys> = NodeResolver::new(
            InPackage,
            DenoIsBuiltInNodeModuleChecker,
            Packages::new(sys.clone()),
            packages.clone(),
            node_resolver::cache::NodeResolutionSys::new(sys.clone(), None),
            NodeResolverOptions {
                conditions: node_resolver::NodeConditionOptions { conditions, ..Default::default() },
                ..Default::default()
            },
        )
        .into();
        let _: &Resolver = &resolver;
        let modules = Rc::new(Modules::new(guest.clone(), sys.clone(), resolver.clone(), packages.clone()));
        *self.loader.0.borrow_mut() = Some(Rc::new(Imports(modules.clone())));
        let services = NodeExtInitServices {
            node_require_loader: Rc::new(Requires(modules.clone())),
            node_resolver: resolver,
            pkg_json_resolver: packages,
            sys,
        };
        let arguments: Vec<ExtensionArguments> =
            list::arguments(guest.clone(), environment.clone(), services, KernelFs::new(guest.clone()));
        self.js.lazy_init_extensions(arguments)?;
        self.js.op_state().borrow_mut().put(permissions::granted());
        Ok(modules)
    }

    fn begin(&mut self, guest: &Guest, argv0: &str, argv: &[String], line: &CommandLine) -> Result<(), CoreError> {
        let pid = guest.pid().0;
        self.call(&self.begin.clone(), |scope| {
            let object = v8::Object::new(scope);
            set(scope, object, "argv0", argv0);
            set(scope, object, "target", concat!("x86_64", "-unknown-linux-gnu"));
            set(scope, object, "nodeDebug", "");
            set(scope, object, "v8", v8::VERSION_STRING);
            set_list(scope, object, "argv", argv);
            set_list(scope, object, "execArgv", &line.options);
            set_list(scope, object, "require", &line.require);
            let key = v8::String::new(scope, "pid").expect("a short string");
            let pid = v8::Integer::new_from_unsigned(scope, pid);
            object.set(scope, key.into(), pid.into());
            vec![object.into()]
        })
    }

    async fn evaluate_module(&mut self, id: deno_core::ModuleId, guest: &Guest) -> Result<(), CoreError> {
        let mut evaluated = Box::pin(self.js.mod_evaluate(id));
        tokio::select! {
            biased;
            done = &mut evaluated => done,
            turned = self.js.run_event_loop(PollEventLoopOptions::default()) => {
                turned?;
                evaluated.await
            }
            () = guest.ended() => Ok(()),
        }
    }

    /// Turns the event loop until nothing is left that could happen.
    async fn turn_until_empty(&mut self, guest: &Guest) -> Result<(), CoreError> {
        loop {
            tokio::select! {
                biased;
                () = guest.ended() => return Ok(()),
                turned = self.js.run_event_loop(PollEventLoopOptions::default()) => turned?,
            }
            if guest.ending().is_some() || !self.before_exit()? {
                return Ok(());
            }
        }
    }

    /// Tells the program that nothing is left; whether it found something.
    fn before_exit(&mut self) -> Result<bool, CoreError> {
        let before_exit = self.before_exit.clone();
        deno_core::scope!(scope, &mut self.js);
        v8::tc_scope!(scope, scope);
        let function = v8::Local::new(scope, before_exit);
        let undefined = v8::undefined(scope).into();
        let more = function.call(scope, undefined, &[]);
        match scope.exception() {
            Some(exception) => Err(thrown(scope, exception)),
            None => Ok(more.is_some_and(|value| value.is_true())),
        }
    }

    fn call(
        &mut self,
        function: &v8::Global<v8::Function>,
        arguments: impl for<'s> FnOnce(&mut v8::PinScope<'s, '_>) -> Vec<v8::Local<'s, v8::Value>>,
    ) -> Result<(), CoreError> {
        deno_core::scope!(scope, &mut self.js);
        v8::tc_scope!(scope, scope);
        let function = v8::Local::new(scope, function);
        let undefined = v8::undefined(scope).into();
        let arguments = arguments(scope);
        function.call(scope, undefined, &arguments);
        match scope.exception() {
            Some(exception) => Err(thrown(scope, exception)),
            None => Ok(()),
        }
    }
}

fn thrown<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) -> CoreError {
    // One that was told of by what ran meanwhile, such as a tick, stands for it.
    CoreErrorKind::Js(exception_to_err(scope, exception, false, true)).into_box()
}

fn other(why: &'static str) -> CoreError {
    CoreError::from(deno_error::JsErrorBox::generic(why))
}

fn set<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>, key: &str, value: &str) {
    if let (Some(key), Some(value)) = (v8::String::new(scope, key), v8::String::new(scope, value)) {
        object.set(scope, key.into(), value.into());
    }
}

fn set_list<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>, key: &str, values: &[String]) {
    let values: Vec<v8::Local<v8::Value>> =
        values.iter().filter_map(|value| v8::String::new(scope, value).map(Into::into)).collect();
    let list = v8::Array::new_with_elements(scope, &values);
    if let Some(key) = v8::String::new(scope, key) {
        object.set(scope, key.into(), list.into());
    }
}

fn functions<const N: usize>(js: &mut JsRuntime, names: [&'static str; N]) -> [v8::Global<v8::Function>; N] {
    deno_core::scope!(scope, js);
    let global = scope.get_current_context().global(scope);
    let key = v8::String::new(scope, "bootstrap").expect("a short string");
    let bootstrap = global.get(scope, key.into()).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    let bootstrap = bootstrap.expect("the snapshot has it");
    names.map(|name| {
        let key = v8::String::new(scope, name).expect("a short string");
        let value = bootstrap.get(scope, key.into());
        let function = value.and_then(|value| v8::Local::<v8::Function>::try_from(value).ok());
        v8::Global::new(scope, function.expect("the snapshot has it"))
    })
}

/// An error that nobody caught, as node prints it.
fn report(error: &CoreError) -> String {
    let text = match error.as_kind() {
        CoreErrorKind::Js(error) => {
            let stack = error.stack.as_deref().unwrap_or(&error.exception_message);
            // What begins a program is none of its frames.
            let frames = stack.lines().filter(|line| !line.trim_start().starts_with("at ") || !line.contains("ext:"));
            place(error).unwrap_or_default() + frames.collect::<Vec<_>>().join("\n").as_str()
        }
        _ => error.to_string(),
    };
    format!("{text}\n\nNode.js v{}\n", deno_node::NODE_VERSION)
}

/// The line an error came from, and where in it.
fn place(error: &JsError) -> Option<String> {
    let line = error.source_line.as_ref()?;
    let frame = error.frames.get(error.source_line_frame_index?)?;
    let name = frame.file_name.as_ref()?;
    let path = Url::parse(name).ok().and_then(|url| url.to_file_path().ok());
    let name = path.map_or_else(|| name.clone(), |path| path.to_string_lossy().into_owned());
    let column = usize::try_from(frame.column_number?).ok()?.saturating_sub(1);
    // Of a `throw` node points to the statement, and the frame to what is made.
    let before: String = line.chars().take(column).collect();
    let column = before.trim_end().strip_suffix("throw").map_or(column, |before| before.chars().count());
    Some(format!("{name}:{}\n{line}\n{}^\n\n", frame.line_number?, " ".repeat(column)))
}

fn cwd(guest: &Guest) -> String {
    let cwd = guest.with(|kernel, call| kernel.process(call.pid).ok().and_then(|process| kernel.path_of(&process.cwd)));
    cwd.and_then(|path| String::from_utf8(path).ok()).unwrap_or_else(|| "/".to_owned())
}

/// The program's own file, its links followed: with the extensions node tries.
fn find_main(guest: &Guest, cwd: &str, name: &str) -> PathBuf {
    use warren_kernel::vfs::FileKind;
    use warren_kernel::vfs::open::At;
    let path = Path::new(cwd).join(name);
    let is_file = |path: &Path| {
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
        let stat = guest.call(|kernel, call| kernel.stat(call, At::Root, bytes, true));
        stat.is_ok_and(|stat| stat.kind == FileKind::Regular)
    };
    let tried = ["", ".js", ".json", ".mjs", ".cjs", "/index.js"];
    let found = tried
        .iter()
        .map(|extension| PathBuf::from(format!("{}{extension}", path.display())))
        .find(|path| is_file(path));
    let found = found.unwrap_or(path);
    KernelFs::new(guest.clone()).real_path(&found).unwrap_or(found)
}

fn read_input(guest: &Guest) -> String {
    let mut text = Vec::new();
    while text.len() < INPUT_BYTES_MAX {
        let read = guest
            .call(|kernel, call| kernel.read(call, Fd::STDIN, 64 * 1024, &mut |bytes| text.extend_from_slice(bytes)));
        if !matches!(read, Ok(1..)) {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn say(guest: &Guest, text: &str) {
    print(guest, Fd::STDERR, text);
}

fn print(guest: &Guest, fd: Fd, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match guest.call(|kernel, call| kernel.write(call, fd, &[rest])) {
            Ok(written) => rest = &rest[written..],
            Err(_) => return,
        }
    }
}

#[allow(dead_code)]
type Unused = Arc<()>;
