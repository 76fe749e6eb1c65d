//! Modules of a guest: found as Node finds them, read from its session's files, and from nowhere else.

use deno_core::error::ModuleLoaderError;
use deno_core::url::Url;
use deno_core::{
    ModuleLoadOptions, ModuleLoadReferrer, ModuleLoadResponse, ModuleLoader, ModuleSource, ModuleSourceCode,
    ModuleSpecifier, ModuleType, RequestedModuleType, ResolutionKind,
};
use deno_error::JsErrorBox;
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
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use warren_isolate_extensions::guest::Guest;
use warren_isolate_extensions::packages::{InPackage, Packages};
use warren_isolate_extensions::parse::{self, Examined, Types};
use warren_isolate_extensions::sys::KernelSys;

/// The largest source that is read.
const SOURCE_BYTES_MAX: usize = 512 << 20;

type Translator = NodeCodeTranslator<Analyzer, InPackage, DenoIsBuiltInNodeModuleChecker, Packages, KernelSys>;

/// What finds and reads modules, for `import` and for `require()`.
pub(crate) struct Modules {
    guest: Guest,
    resolver: NodeResolverRc<InPackage, Packages, KernelSys>,
    packages: PackageJsonResolverRc<KernelSys>,
    translator: Translator,
    examiner: Rc<Examiner>,
}

impl Modules {
    pub(crate) fn new(
        guest: Guest,
        sys: KernelSys,
        resolver: NodeResolverRc<InPackage, Packages, KernelSys>,
        packages: PackageJsonResolverRc<KernelSys>,
    ) -> Modules {
        let examiner = Rc::new(Examiner { guest: guest.clone(), last: RefCell::default() });
        let analyzer = Analyzer { guest: guest.clone(), examiner: examiner.clone() };
        let folders = Packages::new(sys.clone());
        let exports =
            CjsModuleExportAnalyzer::new(analyzer, InPackage, resolver.clone(), folders, packages.clone(), sys);
        let translator = NodeCodeTranslator::new(exports.into(), NodeCodeTranslatorMode::ModuleLoader);
        Modules { guest, resolver, packages, translator, examiner }
    }

    /// Whether this file is CommonJS: by its name, else by the nearest package.json, else by what is in it.
    pub(crate) fn is_commonjs(&self, path: &Path) -> Result<bool, JsErrorBox> {
        match by_name(path) {
            Kind::CommonJs => Ok(true),
            Kind::Module | Kind::Json | Kind::Wasm => Ok(false),
            Kind::Ambiguous => {
                let nearest = self.packages.get_closest_package_json(path).map_err(JsErrorBox::from_err)?;
                match nearest.as_ref().map(|package| package.typ.as_str()) {
                    Some("module") => Ok(false),
                    Some("commonjs") => Ok(true),
                    _ => Ok(!self.has_module_syntax(path)?),
                }
            }
        }
    }

    fn has_module_syntax(&self, path: &Path) -> Result<bool, JsErrorBox> {
        let text = read(&self.guest, path)?;
        // Whatever has neither word is no module; parsing is for the others.
        if !text.contains("import") && !text.contains("export") {
            return Ok(false);
        }
        let url = Url::from_file_path(path).map_err(|()| JsErrorBox::type_error("a module's path is absolute"))?;
        Ok(self.examiner.examine(&url, &text).is_ok_and(|examined| examined.is_module))
    }

    fn find(&self, specifier: &str, referrer: &str) -> Result<ModuleSpecifier, JsErrorBox> {
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
                        "Only URLs with a scheme in: file, data, and node are supported by the default ESM loader. \
                         Received protocol '{scheme}:'"
                    );
                    return Err(coded("ERR_UNSUPPORTED_ESM_URL_SCHEME", message));
                }
                _ => {}
            }
        }
        let from = Url::parse(referrer).ok().filter(|url| url.scheme() == "file");
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
        match found.map_err(JsErrorBox::from_err)? {
            NodeResolution::BuiltIn(name) => {
                let name = name.strip_prefix("node:").unwrap_or(&name);
                Url::parse(&format!("node:{name}")).map_err(JsErrorBox::from_err)
            }
            NodeResolution::Module(found) => found.into_url().map_err(JsErrorBox::from_err),
        }
    }

    /// A line of a file, counted from 0, for an error's report.
    pub(crate) fn line(&self, name: &str, number: usize) -> Option<String> {
        let path = Url::parse(name).ok()?.to_file_path().ok()?;
        let text = read(&self.guest, &path).ok()?;
        text.lines().nth(number).map(str::to_owned)
    }

    async fn read_module(&self, url: &Url, wanted: RequestedModuleType) -> Result<ModuleSource, JsErrorBox> {
        if url.scheme() == "data" {
            return data(url);
        }
        let path =
            url.to_file_path().map_err(|()| JsErrorBox::type_error(format!("{url} is no file of the session")))?;
        let kind = by_name(&path);
        if kind == Kind::Json && wanted != RequestedModuleType::Json {
            let message = format!("Module \"{url}\" needs an import attribute of \"type: json\"");
            return Err(coded("ERR_IMPORT_ATTRIBUTE_MISSING", message));
        }
        let text = read(&self.guest, &path)?;
        let code = match kind {
            Kind::Json => return Ok(source(ModuleType::Json, text, url)),
            Kind::Wasm => {
                return Err(JsErrorBox::type_error("WebAssembly cannot be imported yet; read it and compile it"));
            }
            _ if self.is_commonjs(&path)? => self
                .translator
                .translate_cjs_to_esm(url, Some(Cow::Owned(text)))
                .await
                .map_err(JsErrorBox::from_err)?
                .into_owned(),
            _ if is_typescript(&path) => strip_types(&self.guest, url, &text)?,
            _ => text,
        };
        Ok(source(ModuleType::JavaScript, code, url))
    }
}

fn source(kind: ModuleType, text: String, url: &Url) -> ModuleSource {
    ModuleSource::new(kind, ModuleSourceCode::String(text.into()), url, None)
}

/// A module in its own address.
fn data(url: &Url) -> Result<ModuleSource, JsErrorBox> {
    let broken = || JsErrorBox::type_error("a data: URL that cannot be read");
    let parsed = deno_core::url::Url::parse(url.as_str()).map_err(|_| broken())?;
    let (head, body) = parsed.path().split_once(',').ok_or_else(broken)?;
    let text = if head.ends_with(";base64") {
        return Err(JsErrorBox::type_error("a data: URL in base64 cannot be imported yet"));
    } else {
        percent(body)
    };
    let text = String::from_utf8(text).map_err(|_| broken())?;
    let kind = if head.starts_with("application/json") { ModuleType::Json } else { ModuleType::JavaScript };
    Ok(source(kind, text, url))
}

fn percent(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn coded(code: &'static str, message: String) -> JsErrorBox {
    JsErrorBox::type_error(format!("[{code}]: {message}"))
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

/// TypeScript without its types; positions in stacks are those of the file.
fn strip_types(guest: &Guest, url: &Url, text: &str) -> Result<String, JsErrorBox> {
    let guest = guest.clone();
    parse::without_types(url, text, Types::Transformed { source_map: true }, move || guest.must_stop())
}

/// Finds out what scripts are. Remembers the last: who finds it to be CommonJS asks next for what it exports.
struct Examiner {
    guest: Guest,
    last: RefCell<Option<(u64, Examined)>>,
}

impl Examiner {
    fn examine(&self, url: &Url, text: &str) -> Result<Examined, JsErrorBox> {
        let mut hasher = DefaultHasher::new();
        (url, text).hash(&mut hasher);
        let key = hasher.finish();
        if let Some((_, examined)) = self.last.borrow().as_ref().filter(|(of, _)| *of == key) {
            return Ok(examined.clone());
        }
        let guest = self.guest.clone();
        let typed = is_typescript(Path::new(url.path()));
        let examined = parse::examine(url, text, typed, move || guest.must_stop())?;
        *self.last.borrow_mut() = Some((key, examined.clone()));
        Ok(examined)
    }
}

/// Finds what a CommonJS file exports, for those who import it.
pub(crate) struct Analyzer {
    guest: Guest,
    examiner: Rc<Examiner>,
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
        // What cannot be parsed is said by whoever runs it.
        let Ok(found) = self.examiner.examine(specifier, &text) else { return Ok(CjsAnalysis::Cjs(none())) };
        if found.is_module {
            return Ok(CjsAnalysis::Esm(text, None));
        }
        Ok(CjsAnalysis::Cjs(CjsAnalysisExports { exports: found.exports, reexports: found.reexports, ..none() }))
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

    fn load(
        &self,
        url: &ModuleSpecifier,
        _: Option<&ModuleLoadReferrer>,
        options: ModuleLoadOptions,
    ) -> ModuleLoadResponse {
        let (modules, url) = (self.0.clone(), url.clone());
        ModuleLoadResponse::Async(Box::pin(
            async move { modules.read_module(&url, options.requested_module_type).await },
        ))
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
        strip_types(&self.0.guest, &url, &text).map(Into::into)
    }

    fn is_maybe_cjs(&self, specifier: &Url) -> Result<bool, PackageJsonLoadError> {
        let path = specifier.to_file_path().unwrap_or_else(|()| PathBuf::from("/"));
        Ok(self.0.is_commonjs(&path).unwrap_or(true))
    }

    fn is_maybe_cjs_from_require(&self, specifier: &Url) -> Result<bool, PackageJsonLoadError> {
        self.is_maybe_cjs(specifier)
    }
}
