//! The permission layer of the extensions, which is not ours: it lets everything pass, because nothing that is reached
//! through it can touch the host. What a guest may is decided by the gate (which operations there are) and by the kernel
//! (what they do).

use deno_permissions::{
    AllowRunDescriptorParseResult, DenyRunDescriptor, EnvDescriptor, EnvDescriptorParseError, FfiDescriptor,
    ImportDescriptor, NetDescriptor, NetDescriptorParseError, PathQueryDescriptor, PathResolveError,
    PermissionDescriptorParser, PermissionsContainer, ReadDescriptor, RunDescriptorParseError, RunQueryDescriptor,
    SpecialFilePathQueryDescriptor, SysDescriptor, SysDescriptorParseError, WriteDescriptor,
};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// A container in which everything is granted.
pub fn granted() -> PermissionsContainer {
    PermissionsContainer::allow_all(Arc::new(NoParser))
}

/// Parses nothing: with everything granted nobody asks.
#[derive(Debug)]
struct NoParser;

fn nothing() -> PathResolveError {
    PathResolveError::EmptyPath
}

impl PermissionDescriptorParser for NoParser {
    fn parse_read_descriptor(&self, _: &str) -> Result<ReadDescriptor, PathResolveError> {
        Err(nothing())
    }

    fn parse_write_descriptor(&self, _: &str) -> Result<WriteDescriptor, PathResolveError> {
        Err(nothing())
    }

    fn parse_net_descriptor(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        NetDescriptor::parse_for_query(text)
    }

    fn parse_import_descriptor(&self, text: &str) -> Result<ImportDescriptor, NetDescriptorParseError> {
        ImportDescriptor::parse_for_list(text)
    }

    fn parse_env_descriptor(&self, _: &str) -> Result<EnvDescriptor, EnvDescriptorParseError> {
        Err(EnvDescriptorParseError)
    }

    fn parse_sys_descriptor(&self, text: &str) -> Result<SysDescriptor, SysDescriptorParseError> {
        SysDescriptor::parse(text.to_owned())
    }

    fn parse_allow_run_descriptor(&self, _: &str) -> Result<AllowRunDescriptorParseResult, RunDescriptorParseError> {
        Err(RunDescriptorParseError::EmptyRunQuery)
    }

    fn parse_deny_run_descriptor(&self, _: &str) -> Result<DenyRunDescriptor, PathResolveError> {
        Err(nothing())
    }

    fn parse_ffi_descriptor(&self, _: &str) -> Result<FfiDescriptor, PathResolveError> {
        Err(nothing())
    }

    fn parse_path_query<'a>(&self, _: Cow<'a, Path>) -> Result<PathQueryDescriptor<'a>, PathResolveError> {
        Err(nothing())
    }

    fn parse_special_file_descriptor<'a>(
        &self,
        _: PathQueryDescriptor<'a>,
    ) -> Result<SpecialFilePathQueryDescriptor<'a>, PathResolveError> {
        Err(nothing())
    }

    fn parse_net_query(&self, text: &str) -> Result<NetDescriptor, NetDescriptorParseError> {
        NetDescriptor::parse_for_query(text)
    }

    fn parse_run_query<'a>(&self, _: &'a str) -> Result<RunQueryDescriptor<'a>, RunDescriptorParseError> {
        Err(RunDescriptorParseError::EmptyRunQuery)
    }
}
