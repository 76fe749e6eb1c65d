//! One isolate on its thread: made before anybody needs it, given a program once, gone with it.
//!
//! ```text
//! Worker::new ─▶ snapshot deserialised ─▶ waits ─▶ Worker::run(guest) ─▶ event loop until it is empty ─▶ how it ended
//! ```

use crate::command::{self, CommandLine, InputType, Main};
use crate::fatal::out_of_memory;
use crate::late::Late;
use crate::memory::Buffers;
use crate::modules::{Entry, Imports, Modules, Requires};
use crate::quiet::Quiet;
use crate::script::{Answer, Argument, Stop, functions, object, place, report};
use crate::turns::weigh_here;
use crate::words::{cwd, env_files, print, read_input, say};
use deno_core::error::CoreError;
use deno_core::url::Url;
use deno_core::{ExtensionArguments, JsRuntime, ModuleLoader, PollEventLoopOptions, RuntimeOptions, v8};
use deno_node::NodeExtInitServices;
use deno_node::ops::module_hooks::LoaderHookRegistry;
use node_resolver::{DenoIsBuiltInNodeModuleChecker, NodeResolver, NodeResolverOptions, PackageJsonResolver};
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use warren_isolate_extensions::code::{CodeStore, Compiled};
use warren_isolate_extensions::fs::KernelFs;
use warren_isolate_extensions::guest::{Ending, Guest};
use warren_isolate_extensions::ops::Outcome;
use warren_isolate_extensions::packages::{InPackage, Packages, Resolver};
use warren_isolate_extensions::sys::{Environment, KernelSys};
use warren_isolate_extensions::{list, permissions, stack};
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

/// An isolate that waits for its program, or runs it.
pub(crate) struct Worker {
    js: JsRuntime,
    loader: Rc<Late>,
    functions: Functions,
    codes: Arc<dyn CodeStore>,
    compiled: Option<Rc<Compiled>>,
    quiet: Duration,
    heap_max: usize,
    buffers: Arc<Buffers>,
}

/// What the bootstrap's script offers.
struct Functions {
    begin: v8::Global<v8::Function>,
    find_main: v8::Global<v8::Function>,
    check_file: v8::Global<v8::Function>,
    evaluate: v8::Global<v8::Function>,
    run_file: v8::Global<v8::Function>,
    run_module: v8::Global<v8::Function>,
    is_unsettled: v8::Global<v8::Function>,
    caught: v8::Global<v8::Function>,
    describe: v8::Global<v8::Function>,
    before_exit: v8::Global<v8::Function>,
    exit: v8::Global<v8::Function>,
    fail: v8::Global<v8::Function>,
    end_natives: v8::Global<v8::Function>,
}

impl Worker {
    /// An isolate without a program. On the thread it is to run on, inside its executor.
    pub(crate) fn new(limits: Limits, quiet: Duration, codes: Arc<dyn CodeStore>) -> Worker {
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
            // Of this isolate alone: where buffers are that are being transferred.
            shared_array_buffer_store: Some(deno_core::CrossIsolateStore::default()),
            is_main: true,
            ..RuntimeOptions::default()
        });
        js.v8_isolate().set_oom_error_handler(out_of_memory);
        js.v8_isolate().set_prepare_stack_trace_callback(stack::prepare);
        let [warm, begin, find_main, check_file, evaluate, run_file, run_module] =
            functions(&mut js, ["warm", "begin", "findMain", "checkFile", "evaluate", "runFile", "runModule"]);
        let [is_unsettled, caught, describe, before_exit, exit, fail, end_natives] = functions(
            &mut js,
            ["isUnsettled", "caught", "describe", "dispatchBeforeExit", "dispatchExit", "fail", "endNatives"],
        );
        let functions = Functions {
            begin,
            find_main,
            check_file,
            evaluate,
            run_file,
            run_module,
            is_unsettled,
            caught,
            describe,
            before_exit,
            exit,
            fail,
            end_natives,
        };
        let mut worker = Worker { js, loader, functions, codes, compiled: None, quiet, heap_max: limits.heap, buffers };
        // It fails only if it is stopped, and nobody can yet.
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let _ = worker.call(&warm, &[Argument::Text(&target), Argument::Text(v8::VERSION_STRING)]);
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
        let ended = if weigh_here(self.js.v8_isolate()) { self.program(&guest).await } else { 1 };
        self.end_natives(&guest);
        let status = match guest.ending().cloned() {
            Some(Ending::Exit(code)) => ExitStatus::Exited(code),
            Some(Ending::Signal(signal)) => return ExitStatus::Signaled(signal),
            Some(Ending::Limit(why)) => {
                say(&guest, &format!("\n{why}\n"));
                return ExitStatus::Signaled(Signal::ABRT);
            }
            None => ExitStatus::Exited(ended),
        };
        self.keep_code();
        status
    }

    /// Gives back what native objects hold that the program left open: they do not end with their isolate.
    fn end_natives(&mut self, guest: &Guest) {
        // It is not stopped halfway, as a script of the extensions is not.
        guest.loads(true);
        self.js.v8_isolate().cancel_terminate_execution();
        let _ = self.call(&self.functions.end_natives.clone(), &[]);
        guest.loads(false);
    }

    /// Keeps the code of what the program ran.
    fn keep_code(&mut self) {
        if let Some(compiled) = self.compiled.clone() {
            self.js.v8_isolate().cancel_terminate_execution();
            deno_core::scope!(scope, &mut self.js);
            compiled.keep(scope);
        }
    }

    /// Its exit code; what it says when it is none of its own is said.
    async fn program(&mut self, guest: &Guest) -> u8 {
        let words = guest.with(|kernel, call| {
            let process = kernel.process(call.pid).ok()?;
            Some(process.arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
        });
        let words: Vec<String> = words.unwrap_or_default();
        let mut words = words.into_iter();
        let argv0 = words.next().unwrap_or_else(|| "node".to_owned());
        let environment = Environment::of(guest);
        let of_environment = environment.get(b"NODE_OPTIONS").map(|text| String::from_utf8_lossy(&text).into_owned());
        let line = command::parse(words, of_environment.as_deref()).map_err(|error| error.to_string());
        let read = line.and_then(|line| Ok((env_files(guest, &line)?, line)));
        let (files, line) = match read {
            Ok(read) => read,
            Err(why) => {
                say(guest, &format!("{argv0}: {why}\n"));
                return 9;
            }
        };
        if let Main::Say(text) = &line.main {
            print(guest, Fd::STDOUT, text);
            return 0;
        }
        let mut ended = self.start(guest, environment, &argv0, &files, &line).await;
        if let Err(Stop::Thrown { error, .. }) = &ended
            && guest.ending().is_none()
            && self.call(&self.functions.caught.clone(), &[Argument::Value(error)]).is_ok_and(|answer| answer.truth)
        {
            ended = Ok(());
        }
        if ended.is_ok() {
            ended = self.turn_until_empty(guest).await;
        }
        if guest.ending().is_some() {
            return 0;
        }
        let last = self.end(guest, ended);
        if let Err(stop) = self.call(&last, &[])
            && guest.ending().is_none()
        {
            let text = self.tell(&stop);
            say(guest, &text);
            return 1;
        }
        let state = self.js.op_state();
        let code = state.borrow().borrow::<Outcome>().code;
        code as u8
    }

    /// Says why it ends, if there is something to say; what is called then.
    fn end(&mut self, guest: &Guest, ended: Result<(), Stop>) -> v8::Global<v8::Function> {
        let waits = self.call(&self.functions.is_unsettled.clone(), &[]).is_ok_and(|answer| answer.truth);
        match ended {
            Ok(()) if !waits => return self.functions.exit.clone(),
            Err(Stop::Thrown { .. }) => {}
            Err(Stop::Engine(_)) if !waits => {}
            ended => {
                let at = match &ended {
                    Err(Stop::Engine(error)) => place(error),
                    _ => None,
                };
                let at = at.map_or_else(String::new, |at| format!(" at\n{at}\n\n"));
                say(guest, &format!("Warning: Detected unsettled top-level await{at}\n"));
                return self.functions.exit.clone();
            }
        }
        if let Err(stop) = ended {
            let text = self.tell(&stop);
            say(guest, &text);
        }
        self.functions.fail.clone()
    }

    /// An error that nobody caught, as node prints it.
    fn tell(&mut self, stop: &Stop) -> String {
        let arguments = match stop {
            Stop::Thrown { error, place } => vec![Argument::Value(error), Argument::Text(place)],
            Stop::Engine(_) => Vec::new(),
        };
        let described = self.call(&self.functions.describe.clone(), &arguments).ok().and_then(|answer| answer.text);
        let text = described.unwrap_or_else(|| match stop {
            Stop::Engine(error) => report(error),
            Stop::Thrown { place, .. } => format!("{place}\n"),
        });
        format!("{text}\nNode.js v{}\n", deno_node::NODE_VERSION)
    }

    async fn start(
        &mut self,
        guest: &Guest,
        environment: Environment,
        argv0: &str,
        env_files: &[String],
        line: &CommandLine,
    ) -> Result<(), Stop> {
        let modules = self.equip(guest, &environment, line)?;
        let cwd = cwd(guest);
        let main = self.begin(guest, argv0, env_files, line)?;
        for name in &line.import {
            let from = Url::from_file_path(Path::new(&cwd).join("x")).map_err(|()| other("no working directory"))?;
            let found = self.loader.get().resolve(name, from.as_str(), deno_core::ResolutionKind::Import);
            let id = self.js.load_side_es_module(&found.map_err(CoreError::from)?).await?;
            self.evaluate_module(id, guest).await?;
        }
        if let Some(path) = main {
            return self.start_file(&modules, &path, line).await;
        }
        let (source, print, name) = match &line.main {
            Main::Text { source, print } => (source.clone(), *print, "[eval]"),
            Main::Input { print } => (read_input(guest), *print, "[stdin]"),
            Main::File(_) | Main::Say(_) => return Ok(()),
        };
        if line.input_type != Some(InputType::Module) {
            let either = line.input_type.is_none() && !print;
            let evaluate = self.functions.evaluate.clone();
            let options = object(
                &mut self.js,
                &[
                    ("source", Argument::Text(&source)),
                    ("name", Argument::Text(name)),
                    ("print", Argument::Flag(print)),
                    ("mayBeModule", Argument::Flag(either)),
                ],
            );
            if !self.call(&evaluate, &[Argument::Value(&options)])?.truth {
                return Ok(());
            }
        }
        let url = Url::from_file_path(Path::new(&cwd).join("[eval1]")).map_err(|()| other("no working directory"))?;
        modules.give(url.clone(), source);
        self.start_module(&url).await
    }

    async fn start_file(&mut self, modules: &Modules, path: &str, line: &CommandLine) -> Result<(), Stop> {
        let run_file = self.functions.run_file.clone();
        let found = self.call(&self.functions.find_main.clone(), &[Argument::Text(path)])?.text;
        // It says what is not there.
        let Some(found) = found else {
            self.call(&run_file, &[Argument::Text(path), Argument::Flag(false)])?;
            return Ok(());
        };
        let entry = modules.entry(Path::new(&found)).map_err(CoreError::from)?;
        let either = Argument::Flag(entry == Entry::Either);
        if line.check {
            let arguments = [Argument::Text(&found), either, Argument::Flag(entry == Entry::Module)];
            self.call(&self.functions.check_file.clone(), &arguments)?;
            return Ok(());
        }
        if entry != Entry::Module && !self.call(&run_file, &[Argument::Text(&found), either])?.truth {
            return Ok(());
        }
        let url = Url::from_file_path(&found).map_err(|()| other("the program's path is not absolute"))?;
        self.start_module(&url).await
    }

    async fn start_module(&mut self, url: &Url) -> Result<(), Stop> {
        // What is wrong with it is said again to the script that imports it, which has the error itself.
        self.loader.get().0.is_module(url);
        let _ = self.js.load_main_es_module(url).await;
        self.call(&self.functions.run_module.clone(), &[Argument::Text(url.as_str())])?;
        Ok(())
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
        let compiled = Rc::new(Compiled::new(Some(self.codes.clone())));
        self.compiled = Some(compiled.clone());
        let modules =
            Rc::new(Modules::new(guest.clone(), sys.clone(), resolver.clone(), packages.clone(), compiled.clone()));
        self.loader.set(Rc::new(Imports(modules.clone())));
        let services = NodeExtInitServices {
            node_require_loader: Rc::new(Requires(modules.clone())),
            node_resolver: resolver,
            pkg_json_resolver: packages,
            sys,
        };
        let arguments: Vec<ExtensionArguments> =
            list::arguments(guest.clone(), environment.clone(), services, KernelFs::new(guest.clone()));
        self.js.lazy_init_extensions(arguments)?;
        let state = self.js.op_state();
        let mut state = state.borrow_mut();
        modules.hook(state.borrow::<LoaderHookRegistry>().clone());
        state.put(permissions::granted());
        state.put(compiled);
        Ok(modules)
    }

    /// The main file's path, if there is one.
    fn begin(
        &mut self,
        guest: &Guest,
        argv0: &str,
        env_files: &[String],
        line: &CommandLine,
    ) -> Result<Option<String>, Stop> {
        let mut options = vec![
            ("argv0", Argument::Text(argv0)),
            ("argv", Argument::List(&line.arguments)),
            ("execArgv", Argument::List(&line.options)),
            ("require", Argument::List(&line.require)),
            ("envFiles", Argument::List(env_files)),
            ("pid", Argument::Number(guest.pid().0)),
        ];
        if let Main::File(name) = &line.main {
            options.push(("main", Argument::Text(name)));
        }
        if let Some(limit) = line.stack_trace_limit {
            options.push(("stackTraceLimit", Argument::Number(limit)));
        }
        if let Some(mode) = &line.unhandled_rejections {
            options.push(("unhandledRejections", Argument::Text(mode)));
        }
        options.extend(line.flags.iter().map(|flag| (*flag, Argument::Flag(true))));
        let options = object(&mut self.js, &options);
        Ok(self.call(&self.functions.begin.clone(), &[Argument::Value(&options)])?.text)
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
    async fn turn_until_empty(&mut self, guest: &Guest) -> Result<(), Stop> {
        let mut rested = false;
        loop {
            let turned = {
                let mut turning = pin!(self.js.run_event_loop(PollEventLoopOptions::default()));
                let mut quiet = Quiet::new(self.quiet, rested);
                tokio::select! {
                    biased;
                    () = guest.ended() => return Ok(()),
                    turned = poll_fn(|context| match turning.as_mut().poll(context) {
                        Poll::Ready(turned) => Poll::Ready(Some(turned)),
                        Poll::Pending => quiet.poll(context).map(|()| None),
                    }) => turned,
                }
            };
            let Some(turned) = turned else {
                self.rest();
                rested = true;
                continue;
            };
            rested = false;
            turned?;
            if guest.ending().is_some() || !self.before_exit()? {
                return Ok(());
            }
        }
    }

    /// Nothing has happened for a while: what it does not need is given back.
    fn rest(&mut self) {
        // First, since functions that are not called lose their code.
        self.keep_code();
        self.js.v8_isolate().low_memory_notification();
        weigh_here(self.js.v8_isolate());
    }

    /// Tells the program that nothing is left; whether it found something.
    fn before_exit(&mut self) -> Result<bool, Stop> {
        Ok(self.call(&self.functions.before_exit.clone(), &[])?.truth)
    }

    fn call(&mut self, function: &v8::Global<v8::Function>, arguments: &[Argument<'_>]) -> Result<Answer, Stop> {
        crate::script::call(&mut self.js, function, arguments)
    }
}

fn other(why: &'static str) -> CoreError {
    CoreError::from(deno_error::JsErrorBox::generic(why))
}
