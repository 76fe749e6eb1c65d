//! The module loader of an isolate that is made before its program is known.

use crate::modules::Imports;
use deno_core::{ModuleLoader, v8};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;

/// The loader of a program that is not known yet.
#[derive(Default)]
pub(crate) struct Late(RefCell<Option<Rc<Imports>>>);

impl Late {
    /// It is this program's from now on.
    pub(crate) fn set(&self, loader: Rc<Imports>) {
        *self.0.borrow_mut() = Some(loader);
    }

    /// That of the program.
    pub(crate) fn get(&self) -> Rc<Imports> {
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

    fn import_meta_resolve(
        &self,
        specifier: &str,
        referrer: &str,
    ) -> Result<deno_core::ModuleSpecifier, deno_core::error::ModuleLoaderError> {
        self.get().import_meta_resolve(specifier, referrer)
    }

    fn load(
        &self,
        specifier: &deno_core::ModuleSpecifier,
        referrer: Option<&deno_core::ModuleLoadReferrer>,
        options: deno_core::ModuleLoadOptions,
    ) -> deno_core::ModuleLoadResponse {
        self.get().load(specifier, referrer, options)
    }

    fn resolve_with_scope(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        specifier: &str,
        referrer: &str,
        kind: deno_core::ResolutionKind,
        attributes: &std::collections::HashMap<String, String>,
    ) -> Result<deno_core::ModuleSpecifier, deno_core::error::ModuleLoaderError> {
        self.get().resolve_with_scope(scope, specifier, referrer, kind, attributes)
    }

    fn pump_event_loop_during_load(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|loader| loader.pump_event_loop_during_load())
    }

    fn code_cache_ready(
        &self,
        specifier: deno_core::ModuleSpecifier,
        hash: u64,
        code: &[u8],
    ) -> Pin<Box<dyn Future<Output = ()>>> {
        self.get().code_cache_ready(specifier, hash, code)
    }

    fn get_source_mapped_source_line(&self, file_name: &str, line_number: usize) -> Option<String> {
        let loader = self.0.borrow().clone()?;
        loader.0.line(file_name, line_number)
    }
}
