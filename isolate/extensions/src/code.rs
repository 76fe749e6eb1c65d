//! Compiled code that outlives the guest it was made for.
//!
//! ```text
//! require ─▶ op_warren_compile ─▶ find(key of the text) ─▶ a function, its code from the store ─▶ runs
//!                                        └─ none ─▶ compiled ─▶ runs ─▶ [`Compiled::keep`] ─▶ keep(key, code)
//! ```
//! What the engine makes of a text holds the text's functions and constants and nothing of a heap: no value a program made
//! is in it. It is made by the host's engine from the text alone, after the program has run, so that the functions it
//! called are in it too. A guest neither names an entry (its key is a hash of the text) nor writes one.

use deno_core::v8;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// Texts shorter than this are compiled each time, in UTF-16 units.
pub const TEXT_UNITS_MIN: usize = 1024;
/// Functions of a guest whose code waits to be kept.
const WAITING_MAX: usize = 4096;
/// Bytes of code one guest may add.
const ADDED_BYTES_MAX: usize = 64 << 20;
/// Code is kept again when it has grown to this many quarters of what it was.
const GROWN_QUARTERS: usize = 5;

/// What is known of a text by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Code of a file of CommonJS, a function of what Node gives it.
    Function,
    /// Code of an ES module.
    Module,
    /// What a file of CommonJS exports, or that it is a module.
    Exports,
    /// TypeScript without its types.
    Stripped,
}

/// A text as the engine has it. Two texts are one only if all their units are.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// UTF-8.
    Utf8(&'a str),
    /// One byte a character.
    Latin1(&'a [u8]),
    /// UTF-16, which may have lone surrogates.
    Units(&'a [u16]),
}

/// The name of an entry: a hash of the kind and the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was kept.
    pub bytes: Arc<[u8]>,
    /// Whether it is worth looking, after the program ran, if there is more to keep.
    pub young: bool,
}

/// What keeps compiled code for all guests of a host.
pub trait CodeStore: Send + Sync {
    /// The name of what is known of a text.
    fn key(&self, kind: Kind, text: Text<'_>) -> Key;

    /// An entry.
    fn find(&self, key: &Key) -> Option<Entry>;

    /// Keeps an entry, in the place of one it has of this name.
    fn keep(&self, key: &Key, bytes: &[u8]);

    /// Forgets an entry that the engine did not take.
    fn forget(&self, key: &Key);
}

/// What a guest compiled, until it is kept.
#[derive(Default)]
pub struct Compiled {
    store: Option<Arc<dyn CodeStore>>,
    functions: RefCell<Vec<(Key, v8::Global<v8::Function>, usize)>>,
    modules: RefCell<Vec<Module>>,
    added: Cell<usize>,
}

struct Module {
    key: Key,
    name: String,
    text: String,
    had: usize,
}

impl Compiled {
    /// For a guest whose code is kept there.
    pub fn new(store: Option<Arc<dyn CodeStore>>) -> Compiled {
        Compiled { store, ..Compiled::default() }
    }

    /// Where code is kept.
    pub fn store(&self) -> Option<&dyn CodeStore> {
        self.store.as_deref()
    }

    /// The code of a module of this name, and remembers it if there is none or little.
    pub fn module(&self, name: &str, text: &str) -> Option<Arc<[u8]>> {
        let store = self.store.as_deref().filter(|_| text.len() >= TEXT_UNITS_MIN)?;
        let key = store.key(Kind::Module, Text::Utf8(text));
        let found = store.find(&key);
        let mut modules = self.modules.borrow_mut();
        if modules.len() < WAITING_MAX && found.as_ref().is_none_or(|entry| entry.young) {
            let had = found.as_ref().map_or(0, |entry| entry.bytes.len());
            modules.push(Module { key, name: name.to_owned(), text: text.to_owned(), had });
        }
        found.map(|entry| entry.bytes)
    }

    /// The engine did not take the code of this module.
    pub fn refused(&self, name: &str) {
        let mut modules = self.modules.borrow_mut();
        for module in modules.iter_mut().filter(|module| module.name == name) {
            module.had = 0;
            if let Some(store) = &self.store {
                store.forget(&module.key);
            }
        }
    }

    /// Compiles a file of CommonJS. `None` with an exception thrown if it is no script.
    pub(crate) fn function<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        text: v8::Local<'s, v8::String>,
        name: v8::Local<'s, v8::String>,
    ) -> Option<v8::Local<'s, v8::Function>> {
        let key = self.key_of(scope, text);
        let found = key.and_then(|key| self.store.as_deref()?.find(&key));
        let had = found.as_ref().map_or(0, |entry| entry.bytes.len());
        let (function, refused) = compile(scope, text, name, found.as_ref().map(|entry| &*entry.bytes));
        let function = function?;
        if let (Some(key), Some(store)) = (key, &self.store) {
            if refused {
                store.forget(&key);
            }
            let mut functions = self.functions.borrow_mut();
            if functions.len() < WAITING_MAX && (refused || found.is_none_or(|entry| entry.young)) {
                functions.push((key, v8::Global::new(scope, function), if refused { 0 } else { had }));
            }
        }
        Some(function)
    }

    fn key_of<'s>(&self, scope: &mut v8::PinScope<'s, '_>, text: v8::Local<'s, v8::String>) -> Option<Key> {
        let store = self.store.as_deref().filter(|_| text.length() >= TEXT_UNITS_MIN)?;
        let view = v8::ValueView::new(scope, text);
        Some(match view.data() {
            v8::ValueViewData::OneByte(bytes) => store.key(Kind::Function, Text::Latin1(bytes)),
            v8::ValueViewData::TwoByte(units) => store.key(Kind::Function, Text::Units(units)),
        })
    }

    /// Keeps the code of all that was compiled since the last time, with the functions that were called.
    pub fn keep(&self, scope: &mut v8::PinScope<'_, '_>) {
        let Some(store) = &self.store else { return };
        for (key, function, had) in self.functions.take() {
            let function = v8::Local::new(scope, function);
            if let Some(code) = function.create_code_cache() {
                self.add(&**store, &key, &code, had);
            }
        }
        for module in self.modules.take() {
            v8::tc_scope!(let scope, scope);
            // The engine knows the text and gives the script it made of it before.
            let (Some(text), Some(name)) = (v8::String::new(scope, &module.text), v8::String::new(scope, &module.name))
            else {
                continue;
            };
            let origin = origin(scope, name, true);
            let mut source = v8::script_compiler::Source::new(text, Some(&origin));
            let compiled = v8::script_compiler::compile_module(scope, &mut source);
            if let Some(code) = compiled.and_then(|made| made.get_unbound_module_script(scope).create_code_cache()) {
                self.add(&**store, &module.key, &code, module.had);
            }
            scope.reset();
        }
    }

    fn add(&self, store: &dyn CodeStore, key: &Key, code: &[u8], had: usize) {
        let added = self.added.get().saturating_add(code.len());
        if added <= ADDED_BYTES_MAX && code.len() * 4 >= had * GROWN_QUARTERS {
            self.added.set(added);
            store.keep(key, code);
        }
    }
}

/// Where a script is from.
pub(crate) fn origin<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: v8::Local<'s, v8::String>,
    is_module: bool,
) -> v8::ScriptOrigin<'s> {
    v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, is_module, None)
}

/// A function of the names Node gives a file, and whether the engine refused the code.
fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'s, v8::String>,
    name: v8::Local<'s, v8::String>,
    code: Option<&[u8]>,
) -> (Option<v8::Local<'s, v8::Function>>, bool) {
    use v8::script_compiler::{CachedData, CompileOptions, NoCacheReason, Source, compile_function};
    let origin = origin(scope, name, false);
    let names = ["exports", "require", "module", "__filename", "__dirname"]
        .map(|name| v8::String::new(scope, name).expect("a short string"));
    let Some(code) = code else {
        let mut source = Source::new(text, Some(&origin));
        let options = CompileOptions::NoCompileOptions;
        return (compile_function(scope, &mut source, &names, &[], options, NoCacheReason::NoReason), false);
    };
    let mut source = Source::new_with_cached_data(text, Some(&origin), CachedData::new(code));
    let options = CompileOptions::ConsumeCodeCache;
    let function = compile_function(scope, &mut source, &names, &[], options, NoCacheReason::NoReason);
    (function, source.get_cached_data().is_none_or(CachedData::rejected))
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("waiting", &self.functions.borrow().len()).finish_non_exhaustive()
    }
}
