//! Names of hosts, as the session knows them: its `/etc/hosts`, and what the way out says.

use crate::guest::Guest;
use crate::ops::environment::variable;
use crate::ops::stream::{uv, waiting};
use crate::sys::Environment;
use deno_core::{OpState, ToV8, op2, v8};
use deno_error::JsErrorBox;
use std::cell::RefCell;
use std::rc::Rc;
use warren_kernel::Errno;
use warren_kernel::socket::Host;

/// Bytes of a file of certificates, at most.
const CERTIFICATES_BYTES_MAX: usize = 8 << 20;
/// Where a session's own certificates are, if it has any.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

// getaddrinfo()'s own errors, by libuv's numbers.
const EAI_AGAIN: i32 = -3001;
const EAI_FAIL: i32 = -3004;
const EAI_NONAME: i32 = -3008;

/// The addresses of a host, best first, or the error.
pub enum Addresses {
    Found(Vec<String>),
    Failed(i32),
}

impl<'a> ToV8<'a> for Addresses {
    type Error = std::convert::Infallible;

    fn to_v8(self, scope: &mut v8::PinScope<'a, '_>) -> Result<v8::Local<'a, v8::Value>, Self::Error> {
        Ok(match self {
            Addresses::Found(addresses) => {
                let texts: Vec<v8::Local<v8::Value>> =
                    addresses.iter().filter_map(|address| v8::String::new(scope, address).map(Into::into)).collect();
                v8::Array::new_with_elements(scope, &texts).into()
            }
            Addresses::Failed(number) => v8::Integer::new(scope, number).into(),
        })
    }
}

/// Looks a name up. The policy is asked for it with the port it is wanted for; without one, as a web server is.
#[op2]
pub async fn op_warren_resolve(state: Rc<RefCell<OpState>>, id: u32, #[string] host: String, port: u32) -> Addresses {
    let found = waiting(state, id, async move |guest| {
        let host = Host::parse(&host).ok_or(Errno::ENOENT)?;
        let services = if port == 0 { vec![443, 80] } else { vec![port] };
        let mut found = Err(Errno::EACCES);
        for service in services {
            let service = service.to_string();
            found = guest.call_async(|kernel, call| kernel.resolve(call, &host, &service)).await;
            if !matches!(found, Err(Errno::EACCES)) {
                break;
            }
        }
        found
    });
    match found.await {
        Ok(addresses) => Addresses::Found(addresses.iter().map(ToString::to_string).collect()),
        Err(Errno::ENOENT) => Addresses::Failed(EAI_NONAME),
        Err(Errno::EHOSTUNREACH | Errno::ETIMEDOUT) => Addresses::Failed(EAI_AGAIN),
        Err(errno @ (Errno::EACCES | Errno::ECANCELED | Errno::EINTR)) => Addresses::Failed(uv(errno)),
        Err(_) => Addresses::Failed(EAI_FAIL),
    }
}

/// Certificates of a session's own files: those it is given as a system, and those a program is told to trust as well.
#[op2]
#[serde]
pub fn op_node_get_ca_certificates(state: &mut OpState, #[string] kind: &str) -> Result<Vec<String>, JsErrorBox> {
    let path = match kind {
        "system" => Some(SYSTEM_CERTIFICATES.to_owned()),
        "extra" => variable(state.borrow::<Environment>(), "NODE_EXTRA_CA_CERTS"),
        _ => None,
    };
    let Some(path) = path else { return Ok(Vec::new()) };
    let guest = state.borrow::<Guest>().clone();
    let read = guest.call(|kernel, call| kernel.read_file(call, path.as_bytes(), CERTIFICATES_BYTES_MAX));
    let Ok(bytes) = read else { return Ok(Vec::new()) };
    Ok(certificates(&String::from_utf8_lossy(&bytes)))
}

/// Each certificate of a text in PEM.
fn certificates(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let parts = text.split(BEGIN).skip(1);
    parts.filter_map(|part| part.split_once(END)).map(|(body, _)| format!("{BEGIN}{body}{END}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::certificates;

    #[test]
    fn certificates_are_cut_out_of_what_is_around_them() {
        let text =
            "# one\n-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\nx\n-----BEGIN CERTIFICATE-----\nBB";
        assert_eq!(certificates(text), ["-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"]);
        assert_eq!(certificates(""), Vec::<String>::new());
    }
}
