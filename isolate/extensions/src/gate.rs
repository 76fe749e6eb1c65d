//! The gate: which operations and methods a guest can reach, and whose they are.
//!
//! Every operation of every extension is in one table, and every class with its methods: *pure* (computes on what it is
//! given), *rewired* (ours, on the session's kernel) or *denied* (throws at once). A name the table does not know, and one it
//! knows that is not there, fails the build, so an upgrade of the extensions is a change of the table that is read.
//!
//! Handles such as `socket._handle` expose native methods to scripts, so every registered operation and method counts as
//! reachable, whether or not some script of the extensions guards it.

mod table;

use crate::ops::{
    channel, child, clock, denied, descriptor, environment, file, identity, names, signal, system, typescript,
};
use deno_core::{Extension, OpDecl};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// Whose an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Touches nothing but its arguments and the isolate.
    Pure,
    /// Goes through something of ours that it is given: the file system, the loader.
    Given,
    /// Replaced by ours of the same name.
    Rewired,
    /// Throws.
    Denied,
}

/// What is wrong between the table and the extensions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// In the extensions, and not in the table.
    pub unknown: Vec<String>,
    /// In the table, and not in the extensions.
    pub missing: Vec<String>,
}

fn classes() -> &'static HashMap<&'static str, Class> {
    static CLASSES: OnceLock<HashMap<&'static str, Class>> = OnceLock::new();
    CLASSES
        .get_or_init(|| table::OPERATIONS.iter().flat_map(|(class, names)| words(names).map(|n| (n, *class))).collect())
}

fn words(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split_ascii_whitespace()
}

/// The operation of ours in the place of one of the extensions'.
fn ours(name: &str) -> Option<OpDecl> {
    Some(match name {
        "op_env" => environment::op_env(),
        "op_get_env" | "op_get_env_no_permission_check" => environment::op_get_env(),
        "op_set_env" => environment::op_set_env(),
        "op_delete_env" => environment::op_delete_env(),
        "op_uid" => identity::op_uid(),
        "op_gid" => identity::op_gid(),
        "op_geteuid" => identity::op_geteuid(),
        "op_getegid" => identity::op_getegid(),
        "op_getgroups" => identity::op_getgroups(),
        "op_set_exit_code" => identity::op_set_exit_code(),
        "op_get_exit_code" => identity::op_get_exit_code(),
        "op_exit" => identity::op_exit(),
        "op_process_abort" => identity::op_process_abort(),
        "op_node_process_kill" => identity::op_node_process_kill(),
        "op_node_process_set_title" => identity::op_node_process_set_title(),
        "op_exec_path" => system::op_exec_path(),
        "op_hostname" => system::op_hostname(),
        "op_os_release" => system::op_os_release(),
        "op_os_uptime" => system::op_os_uptime(),
        "op_loadavg" => system::op_loadavg(),
        "op_system_memory_info" => system::op_system_memory_info(),
        "op_network_interfaces" => system::op_network_interfaces(),
        "op_cpus" => system::op_cpus(),
        "op_homedir" => system::op_homedir(),
        "op_node_os_user_info" => system::op_node_os_user_info(),
        "op_node_os_get_priority" => system::op_node_os_get_priority(),
        "op_node_os_set_priority" => system::op_node_os_set_priority(),
        "op_runtime_cpu_usage" => system::op_runtime_cpu_usage(),
        "op_runtime_memory_usage" => system::op_runtime_memory_usage(),
        "op_node_process_resource_usage" => system::op_node_process_resource_usage(),
        "op_node_process_constrained_memory" => system::op_node_process_constrained_memory(),
        "op_signal_bind" => signal::op_signal_bind(),
        "op_signal_poll" => signal::op_signal_poll(),
        "op_signal_unbind" => signal::op_signal_unbind(),
        "op_node_spawn_child" => child::op_node_spawn_child(),
        "op_spawn_wait" => child::op_spawn_wait(),
        "op_spawn_sync" => child::op_spawn_sync(),
        "op_spawn_kill" => child::op_spawn_kill(),
        "op_spawn_child_ref" => child::op_spawn_child_ref(),
        "op_spawn_child_unref" => child::op_spawn_child_unref(),
        "op_node_has_child_ipc_pipe" => channel::op_node_has_child_ipc_pipe(),
        "op_node_child_ipc_pipe" => channel::op_node_child_ipc_pipe(),
        "op_node_ipc_ref" => channel::op_node_ipc_ref(),
        "op_node_ipc_unref" => channel::op_node_ipc_unref(),
        "op_node_open_sync" => file::op_node_open_sync(),
        "op_node_open" => file::op_node_open(),
        "op_node_fs_close" => file::op_node_fs_close(),
        "op_node_fs_read_sync" => file::op_node_fs_read_sync(),
        "op_node_fs_read_deferred" => file::op_node_fs_read_deferred(),
        "op_node_fs_write_sync" => file::op_node_fs_write_sync(),
        "op_node_fs_write_deferred" => file::op_node_fs_write_deferred(),
        "op_node_fs_seek_sync" => file::op_node_fs_seek_sync(),
        "op_node_fs_seek" => file::op_node_fs_seek(),
        "op_node_fs_fstat_sync" => file::op_node_fs_fstat_sync(),
        "op_node_fs_fstat" => file::op_node_fs_fstat(),
        "op_node_fs_ftruncate_sync" => file::op_node_fs_ftruncate_sync(),
        "op_node_fs_ftruncate" => file::op_node_fs_ftruncate(),
        "op_node_fs_fsync_sync" => file::op_node_fs_fsync_sync(),
        "op_node_fs_fsync" => file::op_node_fs_fsync(),
        "op_node_fs_fdatasync_sync" => file::op_node_fs_fdatasync_sync(),
        "op_node_fs_fdatasync" => file::op_node_fs_fdatasync(),
        "op_node_fs_futimes_sync" => file::op_node_fs_futimes_sync(),
        "op_node_fs_futimes" => file::op_node_fs_futimes(),
        "op_node_fs_fchmod_sync" => file::op_node_fs_fchmod_sync(),
        "op_node_fs_fchmod" => file::op_node_fs_fchmod(),
        "op_node_fs_fchown_sync" => file::op_node_fs_fchown_sync(),
        "op_node_fs_fchown" => file::op_node_fs_fchown(),
        "op_node_fs_read_file_sync" => file::op_node_fs_read_file_sync(),
        "op_node_fs_read_file" => file::op_node_fs_read_file(),
        "op_print" => descriptor::op_print(),
        "op_is_terminal" => descriptor::op_is_terminal(),
        "op_node_guess_handle_type" => descriptor::op_node_guess_handle_type(),
        "op_inspector_enabled" => denied::op_inspector_enabled(),
        "op_tty_check_fd_permission" => denied::op_tty_check_fd_permission(),
        "op_now" => clock::op_now(),
        "op_time_origin" => clock::op_time_origin(),
        "op_node_strip_typescript_types" => typescript::op_node_strip_typescript_types(),
        "op_node_get_ca_certificates" => names::op_node_get_ca_certificates(),
        _ => return None,
    })
}

/// An operation as the table has it.
fn sealed(op: OpDecl) -> OpDecl {
    let replacement = match classes().get(op.name) {
        Some(Class::Pure | Class::Given) => return op,
        Some(Class::Rewired) => ours(op.name),
        // Unknown ones too: the check names them, and nobody reaches them before it has.
        Some(Class::Denied) | None => None,
    };
    let denied = || if op.is_async { denied::op_denied_async() } else { denied::op_denied() };
    named(replacement.unwrap_or_else(denied), &op)
}

/// One operation under the name of another.
fn named(mut op: OpDecl, as_this: &OpDecl) -> OpDecl {
    (op.name, op.name_fast) = (as_this.name, as_this.name_fast);
    op
}

/// Seals extensions by the table.
///
/// # Panics
/// If the table and the extensions differ.
pub fn seal(mut extensions: Vec<Extension>) -> Vec<Extension> {
    let mismatch = compare(&extensions);
    assert!(mismatch == Mismatch::default(), "the gate's table does not fit the extensions: {mismatch:#?}");
    for extension in &mut extensions {
        let own = extension.name == "warren";
        if own {
            // Of the engine's own operations too, which are in no extension.
            extension.middleware_fn =
                Some(Box::new(|op| if op.name.starts_with("op_warren_") { op } else { sealed_builtin(op) }));
        } else {
            extension.middleware_fn = None;
            extension.ops = extension.ops.iter().map(|op| sealed(*op)).collect();
        }
        extension.objects =
            Cow::Owned(extension.objects.iter().filter(|object| is_pure_class(object.name.0)).copied().collect());
    }
    extensions
}

/// The engine's own operations go through the middleware alone.
fn sealed_builtin(op: OpDecl) -> OpDecl {
    if words(table::ENGINE_DENIED).any(|name| name == op.name)
        || words(table::ENGINE_REWIRED).any(|name| name == op.name)
    {
        sealed_engine(op)
    } else {
        op
    }
}

fn sealed_engine(op: OpDecl) -> OpDecl {
    let denied = || if op.is_async { denied::op_denied_async() } else { denied::op_denied() };
    named(ours(op.name).unwrap_or_else(denied), &op)
}

fn is_pure_class(name: &str) -> bool {
    words(table::CLASSES_PURE).any(|pure| pure == name)
}

/// What differs between the table and these extensions.
pub fn compare(extensions: &[Extension]) -> Mismatch {
    let mut seen = HashSet::new();
    let mut mismatch = Mismatch::default();
    let known = classes();
    for extension in extensions.iter().filter(|extension| extension.name != "warren") {
        for op in extension.ops.iter() {
            seen.insert(op.name);
            match known.get(op.name) {
                None => mismatch.unknown.push(format!("{}: {}", extension.name, op.name)),
                Some(Class::Rewired) if ours(op.name).is_none() => {
                    mismatch.missing.push(format!("{}: ours for it", op.name));
                }
                Some(_) => {}
            }
        }
        for object in extension.objects.iter() {
            seen.insert(object.name.0);
            let known = is_pure_class(object.name.0) || words(table::CLASSES_DROPPED).any(|name| name == object.name.0);
            if !known {
                mismatch.unknown.push(format!("{}: class {}", extension.name, object.name.0));
            }
        }
    }
    let all = known.keys().copied().chain(words(table::CLASSES_PURE)).chain(words(table::CLASSES_DROPPED));
    mismatch.missing.extend(all.filter(|name| !seen.contains(name)).map(str::to_owned));
    mismatch.missing.sort();
    mismatch
}
