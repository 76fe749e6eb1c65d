//! Modules of a guest: found as Node finds them, read from its session's files, and from nowhere else.

mod analysis;
mod data;

use deno_core::error::ModuleLoaderError;
use deno_core::url::Url;
use deno_core::{
    ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleSource, ModuleSourceCode,
    ModuleSpecifier, ModuleType, RequestedModuleType, ResolutionKind, SourceCodeCacheInfo, v8,
};
use deno_error::{JsErrorBox, JsErrorClass};
use deno_node::ops::module_hooks::LoaderHookRegistry;
use deno_node::{NodeRequireLoader, NodeResolverRc};
use node_resolver::analyze::{
    CjsAnalysis, CjsAnalysisExports, CjsCodeAnalyzer, CjsModuleExportAnalyzer, EsmAnalysisMode, NodeCodeTranslator,
    NodeCodeTranslatorMode,
};
use node_resolver::errors::PackageJsonLoadError;
use node_resolver::{
    DenoIsBuiltInNodeModuleChecker, NodeResolution, NodeResolutionKind, PackageJsonResolverRc, ResolutionMode,
};
use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use warren_isolate_extensions::code::Compiled;
use warren_isolate_extensions::guest::Guest;
use warren_isolate_extensions::packages::{InPackage, Packages};
use warren_isolate_extensions::sys::KernelSys;

/// The largest source that is read.
const SOURCE_BYTES_MAX: usize = 512 << 20;

type Translator = NodeCodeTranslator<Analyzer, InPackage, DenoIsBuiltInNodeModuleChecker, Packages, KernelSys>;

/// What finds and reads modules, for `import` and for `require()`.
pub(crate) struct Modules {
    guest: Guest,
    compiled: Rc<Compiled>,
    /// The main module when it is no file: where it would be, and its text.
    given: RefCell<Option<(Url, String)>>,
    /// The main module, when it is known to be one.
    main: RefCell<Option<Url>>,
    /// Hooks of the program's own, once it runs.
    hooks: OnceCell<LoaderHookRegistry>,
    resolver: NodeResolverRc<InPackage, Packages, KernelSys>,
    packages: PackageJsonResolverRc<KernelSys>,
    translator: Translator,
}

impl Modules {
    pub(crate) fn new(
        guest: Guest,
        sys: KernelSys,
        resolver: NodeResolverRc<InPackage, Packages, KernelSys>,
        packages: PackageJsonResolverRc<KernelSys>,
        compiled: Rc<Compiled>,
    ) -> Modules {
        let analyzer = Analyzer { guest: guest.clone(), compiled: compiled.clone() };
        let folders = Packages::new(sys.clone());
        let exports =
            CjsModuleExportAnalyzer::new(analyzer, InPackage, resolver.clone(), folders, packages.clone(), sys);
        let translator = NodeCodeTranslator::new(exports.into(), NodeCodeTranslatorMode::ModuleLoader);
        Modules {
            guest,
            compiled,
            given: RefCell::default(),
            main: RefCell::default(),
            hooks: OnceCell::new(),
            resolver,
            packages,
            translator,
        }
    }

    /// What a file is as a program: by its name, else by the nearest package.json.
    pub(crate) fn entry(&self, path: &Path) -> Result<Entry, JsErrorBox> {
        Ok(match by_name(path) {
            Kind::CommonJs | Kind::Json => Entry::CommonJs,
            Kind::Module | Kind::Wasm => Entry::Module,
            Kind::Ambiguous => {
                let nearest = self.packages.get_closest_package_json(path).map_err(JsErrorBox::from_err)?;
                // A folder of packages is in none.
                let nearest = nearest.filter(|package| {
                    let folder = package.path.parent().and_then(|folder| path.strip_prefix(folder).ok());
                    folder.is_none_or(|between| !between.components().any(|part| part.as_os_str() == "node_modules"))
                });
                match nearest.as_ref().map(|package| package.typ.as_str()) {
                    Some("module") => Entry::Module,
                    Some("commonjs") => Entry::CommonJs,
                    _ => Entry::Either,
                }
            }
        })
    }

    /// The main file is a module, whatever its name and its package say.
    pub(crate) fn is_module(&self, url: &Url) {
        *self.main.borrow_mut() = Some(url.clone());
    }

    /// Makes a text the main module, at this place.
    pub(crate) fn give(&self, url: Url, text: String) {
        *self.given.borrow_mut() = Some((url, text));
    }

    /// Asks the hooks that a program registers, with ours behind them.
    pub(crate) fn hook(self: &Rc<Modules>, hooks: LoaderHookRegistry) {
        let modules = Rc::downgrade(self);
        hooks.set_default_resolve(Rc::new(move |specifier, referrer| {
            let modules = modules.upgrade().ok_or_else(|| JsErrorBox::generic("the program has ended"))?;
            modules.find(specifier, referrer).map(String::from)
        }));
        let _ = self.hooks.set(hooks);
    }

    /// What the program's hooks load in the place of a module; `None` if they leave it as it is. A hook may load another.
    async fn hooked(&self, url: &Url, wanted: &RequestedModuleType) -> Option<Result<ModuleSource, JsErrorBox>> {
        let hooks = self.hooks.get().filter(|hooks| hooks.load_active.get())?;
        let attributes = hooks.take_resolved_attributes(url.as_str());
        let (text, format, other) = match hooks.push_load(url.to_string(), attributes).await.ok()? {
            Ok(loaded) => loaded,
            Err(why) => return Some(Err(JsErrorBox::generic(why))),
        };
        let Some(text) = text else {
            let other = other.and_then(|other| Url::parse(&other).ok()).filter(|other| other != url)?;
            let loaded = self.read_module(&other, wanted.clone()).await;
            return Some(loaded.map(|loaded| ModuleSource::new(loaded.module_type, loaded.code, url, None)));
        };
        Some(match format.as_deref() {
            Some("json") => Ok(source(ModuleType::Json, text, url)),
            Some("commonjs") => {
                let translated = self.translator.translate_cjs_to_esm(url, Some(Cow::Owned(text))).await;
                translated
                    .map(|text| source(ModuleType::JavaScript, text.into_owned(), url))
                    .map_err(JsErrorBox::from_err)
            }
            Some("module-typescript" | "commonjs-typescript") => {
                analysis::strip_types(&self.compiled, &self.guest, url, text)
                    .map(|text| source(ModuleType::JavaScript, text, url))
            }
            _ => Ok(source(ModuleType::JavaScript, text, url)),
        })
    }

    fn given(&self, url: &Url) -> Option<String> {
        self.given.borrow().as_ref().filter(|(known, _)| known == url).map(|(_, text)| text.clone())
    }

    fn find(&self, specifier: &str, referrer: &str) -> Result<ModuleSpecifier, JsErrorBox> {
        if let Some((url, _)) = self.given.borrow().as_ref().filter(|(url, _)| url.as_str() == specifier) {
            return Ok(url.clone());
        }
        if let Some(scheme) = specifier.split_once(':').map(|(scheme, _)| scheme)
            && !specifier.starts_with(['.', '/'])
        {
            match scheme {
                "node" if deno_node::is_builtin_node_module(&specifier[5..]) => {
                    return Url::parse(specifier).map_err(JsErrorBox::from_err);
                }
                "node" => {
                    return Err(coded("ERR_UNKNOWN_BUILTIN_MODULE", format!("No such built-in module: {specifier}")));
                }
                "data" => return Url::parse(specifier).map_err(JsErrorBox::from_err),
                "file" => {}
                _ if scheme.chars().all(|c| c.is_ascii_alphanumeric()) && scheme.len() > 1 => {
                    let message = format!(
                        "Only URLs with a scheme in: file and data are supported by the default ESM loader. \
                         Received protocol '{scheme}:'"
                    );
                    return Err(coded("ERR_UNSUPPORTED_ESM_URL_SCHEME", message));
                }
                _ => {}
            }
        }
        // A file of CommonJS is known by its path.
        let from = match referrer.strip_prefix('/') {
            Some(_) => Url::from_file_path(referrer).ok(),
            None => Url::parse(referrer).ok().filter(|url| url.scheme() == "file"),
        };
        let from = match from {
            Some(url) => url,
            None => {
                let cwd = self.guest.with(|kernel, call| {
                    kernel.process(call.pid).ok().and_then(|process| kernel.path_of(&process.cwd))
                });
                let cwd = cwd.and_then(|cwd| String::from_utf8(cwd).ok()).unwrap_or_else(|| "/".to_owned());
                Url::from_file_path(Path::new(&cwd).join("[eval1]"))
                    .map_err(|()| JsErrorBox::type_error("the working directory has no path"))?
            }
        };
        let found = self.resolver.resolve(specifier, &from, ResolutionMode::Import, NodeResolutionKind::Execution);
        match found.map_err(|error| not_found(error, specifier, &from))? {
            NodeResolution::BuiltIn(name) => {
                let name = name.strip_prefix("node:").unwrap_or(&name);
                Url::parse(&format!("node:{name}")).map_err(JsErrorBox::from_err)
            }
            NodeResolution::Module(found) => found.into_url().map_err(JsErrorBox::from_err),
        }
    }

    /// A line of a file, counted from 0, for an error's report.
    pub(crate) fn line(&self, name: &str, number: usize) -> Option<String> {
        let path = match name.starts_with('/') {
            true => PathBuf::from(name),
            false => Url::parse(name).ok()?.to_file_path().ok()?,
        };
        let text = read(&self.guest, &path).ok()?;
        text.lines().nth(number).map(str::to_owned)
    }

    async fn read_module(&self, url: &Url, wanted: RequestedModuleType) -> Result<ModuleSource, JsErrorBox> {
        if url.scheme() == "data" {
            let (kind, text) = data::read(url)?;
            return Ok(source(kind, text, url));
        }
        if let Some(text) = self.given(url) {
            return Ok(source(ModuleType::JavaScript, text, url));
        }
        let path =
            url.to_file_path().map_err(|()| JsErrorBox::type_error(format!("{url} is no file of the session")))?;
        let kind = by_name(&path);
        if kind == Kind::Json && wanted != RequestedModuleType::Json {
            let message = format!("Module \"{url}\" needs an import attribute of \"type: json\"");
            return Err(coded("ERR_IMPORT_ATTRIBUTE_MISSING", message));
        }
        if kind != Kind::Json && wanted == RequestedModuleType::Json {
            return Err(coded(
                "ERR_IMPORT_ATTRIBUTE_TYPE_INCOMPATIBLE",
                format!("Module \"{url}\" is not of type \"json\""),
            ));
        }
        if let RequestedModuleType::Other(name) = &wanted {
            let message = format!("Import attribute \"type\" with value \"{name}\" is not supported");
            return Err(coded("ERR_IMPORT_ATTRIBUTE_UNSUPPORTED", message));
        }
        let text = read(&self.guest, &path)?;
        match kind {
            Kind::Json => return Ok(source(ModuleType::Json, text, url)),
            Kind::Wasm => {
                return Err(JsErrorBox::type_error("WebAssembly cannot be imported yet; read it and compile it"));
            }
            _ => {}
        }
        let text =
            if is_typescript(&path) { analysis::strip_types(&self.compiled, &self.guest, url, text)? } else { text };
        let is_commonjs = match self.entry(&path)? {
            Entry::CommonJs => true,
            Entry::Module => false,
            Entry::Either if self.main.borrow().as_ref() == Some(url) => false,
            Entry::Either => analysis::exports(&self.compiled, &self.guest, url, &text).is_some(),
        };
        if is_commonjs {
            let translated = self.translator.translate_cjs_to_esm(url, Some(Cow::Owned(text))).await;
            return Ok(source(ModuleType::JavaScript, translated.map_err(JsErrorBox::from_err)?.into_owned(), url));
        }
        let code = self.compiled.module(url.as_str(), &text);
        let code = code.map(|code| SourceCodeCacheInfo { hash: 0, data: Some(Cow::Owned(code.to_vec())) });
        Ok(ModuleSource::new(ModuleType::JavaScript, ModuleSourceCode::String(text.into()), url, code))
    }
}

/// What a file is as a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    CommonJs,
    Module,
    /// As what is in it says.
    Either,
}

fn source(kind: ModuleType, text: String, url: &Url) -> ModuleSource {
    ModuleSource::new(kind, ModuleSourceCode::String(text.into()), url, None)
}

/// An error with a code of Node's: its message begins with it until a script sees the error.
fn coded(code: &str, message: String) -> JsErrorBox {
    JsErrorBox::generic(format!("[{code}] {message}"))
}

/// The resolver's error in Node's words: it begins with its code, and quotes the referrer.
fn not_found(error: impl JsErrorClass, specifier: &str, from: &Url) -> JsErrorBox {
    let from = from.to_file_path().map_or_else(|()| from.to_string(), |path| path.to_string_lossy().into_owned());
    let message = error.get_message();
    if let Some((code, rest)) = message.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        // Files are named by their paths.
        let text = rest.split_once(" imported from '").map_or_else(
            || rest.to_owned(),
            |(what, _)| {
                let what = what.replace("'file:///", "'/").replace("\"exports\" in '", "\"exports\" in ");
                let quoted = what.strip_suffix("package.json'").map(|start| format!("{start}package.json"));
                format!("{} imported from {from}", quoted.unwrap_or(what))
            },
        );
        return coded(code, text);
    }
    let code = error.get_additional_properties().find(|(key, _)| key == "code").map(|(_, value)| value.to_string());
    match code {
        Some(code) if code == "ERR_MODULE_NOT_FOUND" => {
            let parts = if specifier.starts_with('@') { 2 } else { 1 };
            let package: Vec<&str> = specifier.splitn(parts + 1, '/').take(parts).collect();
            coded(&code, format!("Cannot find package '{}' imported from {from}", package.join("/")))
        }
        Some(code) => coded(&code, message.into_owned()),
        None => JsErrorBox::from_err(error),
    }
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    CommonJs,
    Module,
    Json,
    Wasm,
    /// As its package says.
    Ambiguous,
}

fn by_name(path: &Path) -> Kind {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("cjs" | "cts") => Kind::CommonJs,
        Some("mjs" | "mts") => Kind::Module,
        Some("json") => Kind::Json,
        Some("wasm") => Kind::Wasm,
        _ => Kind::Ambiguous,
    }
}

fn is_typescript(path: &Path) -> bool {
    matches!(path.extension().and_then(|extension| extension.to_str()), Some("ts" | "mts" | "cts"))
}

fn read(guest: &Guest, path: &Path) -> Result<String, JsErrorBox> {
    use std::os::unix::ffi::OsStrExt;
    let name = path.as_os_str().as_bytes();
    let read = guest.call(|kernel, call| kernel.read_file(call, name, SOURCE_BYTES_MAX));
    let bytes = read.map_err(|errno| {
        let error = warren_isolate_extensions::errno::io_error(errno);
        JsErrorBox::new(
            deno_error::JsErrorClass::get_class(&error),
            format!("Cannot find module '{}': {error}", path.display()),
        )
    })?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Finds what a CommonJS file exports, for those who import it.
pub(crate) struct Analyzer {
    guest: Guest,
    compiled: Rc<Compiled>,
}

impl Analyzer {
    fn text<'a>(&self, url: &Url, given: Option<Cow<'a, str>>) -> Result<Cow<'a, str>, JsErrorBox> {
        match given {
            Some(text) => Ok(text),
            None => {
                let path = url.to_file_path().map_err(|()| JsErrorBox::type_error(format!("{url} is no file")))?;
                read(&self.guest, &path).map(Cow::Owned)
            }
        }
    }
}

#[async_trait::async_trait(?Send)]
impl CjsCodeAnalyzer for Analyzer {
    async fn analyze_cjs<'a>(
        &self,
        specifier: &Url,
        maybe_source: Option<Cow<'a, str>>,
        _: EsmAnalysisMode,
    ) -> Result<CjsAnalysis<'a>, JsErrorBox> {
        let none = || CjsAnalysisExports { exports: Vec::new(), reexports: Vec::new(), member_reexports: Vec::new() };
        if specifier.path().ends_with(".json") || specifier.path().ends_with(".node") {
            return Ok(CjsAnalysis::Cjs(none()));
        }
        let text = self.text(specifier, maybe_source)?;
        Ok(match analysis::exports(&self.compiled, &self.guest, specifier, &text) {
            Some(found) => {
                CjsAnalysis::Cjs(CjsAnalysisExports { exports: found.exports, reexports: found.reexports, ..none() })
            }
            None => CjsAnalysis::Esm(text, None),
        })
    }

    async fn analyze_cjs_member_props<'a>(
        &self,
        _: &Url,
        _: Option<Cow<'a, str>>,
        _: &str,
    ) -> Result<Option<Vec<String>>, JsErrorBox> {
        Ok(None)
    }
}

/// `import`.
pub(crate) struct Imports(pub(crate) Rc<Modules>);

impl ModuleLoader for Imports {
    fn resolve(
        &self,
        specifier: &str,
        referrer: &str,
        _: ResolutionKind,
    ) -> Result<ModuleSpecifier, ModuleLoaderError> {
        self.0.find(specifier, referrer)
    }

    /// Of a path or an address nobody asks whether anything is there.
    fn import_meta_resolve(&self, specifier: &str, referrer: &str) -> Result<ModuleSpecifier, ModuleLoaderError> {
        let is_relative = ["./", "../", "/"].iter().any(|start| specifier.starts_with(start));
        if is_relative && let Some(url) = Url::parse(referrer).ok().and_then(|from| from.join(specifier).ok()) {
            return Ok(url);
        }
        match Url::parse(specifier) {
            Ok(url) if url.scheme() != "node" => Ok(url),
            _ => self.resolve(specifier, referrer, ResolutionKind::DynamicImport),
        }
    }

    fn load(
        &self,
        url: &ModuleSpecifier,
        _: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let (modules, url) = (self.0.clone(), url.clone());
        ModuleLoadResponse::Async(Box::pin(async move {
            match modules.hooked(&url, &options.requested_module_type).await {
                Some(loaded) => loaded,
                None => modules.read_module(&url, options.requested_module_type).await,
            }
        }))
    }

    fn resolve_with_scope(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        specifier: &str,
        referrer: &str,
        kind: ResolutionKind,
        attributes: &HashMap<String, String>,
    ) -> Result<ModuleSpecifier, ModuleLoaderError> {
        if let Some(hooks) = self.0.hooks.get().filter(|hooks| hooks.hooks_active.get()) {
            // Its own scripts are none of the program's.
            let found = if referrer.starts_with("ext:") {
                None
            } else {
                hooks.resolve(scope, specifier, referrer, attributes)?
            };
            let url = match found {
                Some(found) => Url::parse(&found).map_err(JsErrorBox::from_err)?,
                None => self.resolve(specifier, referrer, kind)?,
            };
            hooks.record_resolved_attributes(url.as_str(), attributes);
            return Ok(url);
        }
        self.resolve(specifier, referrer, kind)
    }

    fn pump_event_loop_during_load(&self) -> bool {
        self.0.hooks.get().is_some_and(|hooks| hooks.load_active.get())
    }

    fn code_cache_ready(&self, url: ModuleSpecifier, _: u64, _: &[u8]) -> Pin<Box<dyn Future<Output = ()>>> {
        // It asks for this when it refused what it was given. What it has now is without the functions that will be called.
        self.0.compiled.refused(url.as_str());
        Box::pin(std::future::ready(()))
    }
}

/// `require()`.
pub(crate) struct Requires(pub(crate) Rc<Modules>);

impl NodeRequireLoader for Requires {
    fn ensure_read_permission<'a>(
        &self,
        _: &mut deno_permissions::PermissionsContainer,
        path: Cow<'a, Path>,
    ) -> Result<Cow<'a, Path>, JsErrorBox> {
        Ok(path)
    }

    fn load_text_file_lossy(&self, path: &Path) -> Result<deno_core::FastString, JsErrorBox> {
        let text = read(&self.0.guest, path)?;
        if !is_typescript(path) {
            return Ok(text.into());
        }
        let url = Url::from_file_path(path).map_err(|()| JsErrorBox::type_error("a module's path is absolute"))?;
        analysis::strip_types(&self.0.compiled, &self.0.guest, &url, text).map(Into::into)
    }

    fn is_maybe_cjs(&self, specifier: &Url) -> Result<bool, PackageJsonLoadError> {
        // What may be either is compiled as CommonJS, and is a module if that fails.
        let path = specifier.to_file_path().unwrap_or_else(|()| PathBuf::from("/"));
        Ok(self.0.entry(&path).map_or(true, |entry| entry != Entry::Module))
    }

    fn is_maybe_cjs_from_require(&self, specifier: &Url) -> Result<bool, PackageJsonLoadError> {
        self.is_maybe_cjs(specifier)
    }
}
