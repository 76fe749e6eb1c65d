//! Calls of the bootstrap's functions, and what they throw.

use deno_core::error::{CoreError, CoreErrorKind, JsError, exception_to_err};
use deno_core::{JsRuntime, v8};
use warren_isolate_extensions::stack;

/// What a function is given.
pub(crate) enum Argument<'a> {
    Text(&'a str),
    Flag(bool),
    Number(u32),
    List(&'a [String]),
    Value(&'a v8::Global<v8::Value>),
}

impl Argument<'_> {
    fn local<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Value> {
        let text = |scope: &mut v8::PinScope<'s, '_>, text: &str| -> v8::Local<'s, v8::Value> {
            v8::String::new(scope, text).map_or_else(|| v8::undefined(scope).into(), Into::into)
        };
        match self {
            Argument::Text(value) => text(scope, value),
            Argument::Flag(value) => v8::Boolean::new(scope, *value).into(),
            Argument::Number(value) => v8::Integer::new_from_unsigned(scope, *value).into(),
            Argument::List(values) => {
                let values: Vec<v8::Local<v8::Value>> = values.iter().map(|value| text(scope, value)).collect();
                v8::Array::new_with_elements(scope, &values).into()
            }
            Argument::Value(value) => v8::Local::new(scope, *value),
        }
    }
}

/// What a function answers, as far as anybody asks.
pub(crate) struct Answer {
    /// If it is a string.
    pub(crate) text: Option<String>,
    /// Whether it is `true`.
    pub(crate) truth: bool,
}

/// Why a program goes on no more.
pub(crate) enum Stop {
    /// What was thrown, and the line it was thrown in with a mark under the place: empty if it is not known.
    Thrown { error: v8::Global<v8::Value>, place: String },
    /// The engine or the loader says so.
    Engine(CoreError),
}

impl From<CoreError> for Stop {
    fn from(error: CoreError) -> Stop {
        Stop::Engine(error)
    }
}

/// Calls a function.
pub(crate) fn call(
    js: &mut JsRuntime,
    function: &v8::Global<v8::Function>,
    arguments: &[Argument<'_>],
) -> Result<Answer, Stop> {
    deno_core::scope!(scope, js);
    v8::tc_scope!(scope, scope);
    let function = v8::Local::new(scope, function);
    let undefined = v8::undefined(scope).into();
    let arguments: Vec<v8::Local<v8::Value>> = arguments.iter().map(|argument| argument.local(scope)).collect();
    let value = function.call(scope, undefined, &arguments);
    if let Some(value) = value {
        let text = value.is_string().then(|| value.to_rust_string_lossy(scope));
        return Ok(Answer { text, truth: value.is_true() });
    }
    let error = scope.exception().unwrap_or_else(|| v8::undefined(scope).into());
    // One that was told of by what ran meanwhile, such as a tick, stands for it.
    if scope.has_terminated() || scope.is_execution_terminating() {
        return Err(Stop::Engine(CoreErrorKind::Js(exception_to_err(scope, error, false, true)).into_box()));
    }
    // What a script of ours throws again came from elsewhere.
    let message = scope.message().map(|message| match message.get_script_resource_name(scope) {
        Some(name) if error.is_native_error() && stack::is_internal(&name.to_rust_string_lossy(scope)) => {
            v8::Exception::create_message(scope, error)
        }
        _ => message,
    });
    let place = message.and_then(|message| stack::place(scope, message, false)).unwrap_or_default();
    Err(Stop::Thrown { error: v8::Global::new(scope, error), place })
}

/// An object of these properties.
pub(crate) fn object(js: &mut JsRuntime, properties: &[(&str, Argument<'_>)]) -> v8::Global<v8::Value> {
    deno_core::scope!(scope, js);
    let object = v8::Object::new(scope);
    for (key, value) in properties {
        let value = value.local(scope);
        if let Some(key) = v8::String::new(scope, key) {
            object.set(scope, key.into(), value);
        }
    }
    let value: v8::Local<v8::Value> = object.into();
    v8::Global::new(scope, value)
}

/// Functions of the bootstrap's object.
pub(crate) fn functions<const N: usize>(js: &mut JsRuntime, names: [&'static str; N]) -> [v8::Global<v8::Function>; N] {
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

/// An error that no script has seen, as node prints it.
pub(crate) fn report(error: &CoreError) -> String {
    let above = place(error).map_or_else(String::new, |place| format!("{place}\n\n"));
    match error.as_kind() {
        CoreErrorKind::Js(error) => {
            format!("{above}{}\n", error.stack.as_deref().unwrap_or(&error.exception_message))
        }
        _ => format!("{error}\n"),
    }
}

/// The line an error came from, and where in it.
pub(crate) fn place(error: &CoreError) -> Option<String> {
    let CoreErrorKind::Js(error) = error.as_kind() else { return None };
    let error: &JsError = error;
    let line = error.source_line.as_ref()?;
    let frame = error.frames.get(error.source_line_frame_index?)?;
    let column = usize::try_from(frame.column_number?).ok()?.saturating_sub(1);
    Some(format!("{}:{}\n{line}\n{}^", frame.file_name.as_ref()?, frame.line_number?, " ".repeat(column)))
}
