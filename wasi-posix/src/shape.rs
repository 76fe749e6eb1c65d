//! The shape of modules that sessions write: bounded before they are compiled.
//!
//! Compiling takes time that grows faster than a module does: with the square of how deep its blocks nest, and with the
//! size of a single function. A module of a layer was chosen by the operator; one that a session wrote may be made to
//! keep the compiler busy, so it is measured first, in one pass over its bytes.

use warren_kernel::Errno;
use warren_kernel::runtime::LoadError;
use wasmparser::{Operator, Parser, Payload};

/// Bytes of the module.
pub const BYTES_MAX: usize = 64 << 20;
/// Functions it defines.
pub const FUNCTIONS_MAX: u32 = 50_000;
/// Bytes of one function's body.
pub const BODY_MAX: usize = 1 << 20;
/// Blocks inside blocks of one function; compilers of C and Rust stay far below.
pub const NESTING_MAX: usize = 1_000;

/// Refuses a module whose compilation could take out of proportion. What is not a module at all is left to the engine,
/// which says more about it.
///
/// # Errors
/// `ENOMEM`, naming the bound.
pub fn check(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > BYTES_MAX {
        return refuse("bytes", BYTES_MAX);
    }
    for payload in Parser::new(0).parse_all(bytes) {
        match payload {
            Ok(Payload::CodeSectionStart { count, .. }) if count > FUNCTIONS_MAX => {
                return refuse("functions", FUNCTIONS_MAX as usize);
            }
            Ok(Payload::CodeSectionEntry(body)) => {
                if body.range().len() > BODY_MAX {
                    return refuse("bytes in a function", BODY_MAX);
                }
                let Ok(operators) = body.get_operators_reader() else { return Ok(()) };
                let mut depth = 0usize;
                for operator in operators {
                    match operator {
                        Ok(Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }) => depth += 1,
                        Ok(Operator::End) => depth = depth.saturating_sub(1),
                        Ok(_) => {}
                        Err(_) => return Ok(()),
                    }
                    if depth > NESTING_MAX {
                        return refuse("blocks inside each other", NESTING_MAX);
                    }
                }
            }
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn refuse(what: &str, most: usize) -> Result<(), LoadError> {
    Err(LoadError::new(Errno::ENOMEM, format!("an image a session wrote has at most {most} {what}")))
}

#[cfg(test)]
mod tests;
