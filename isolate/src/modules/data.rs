//! Modules in their own addresses: `data:` URLs.

use deno_core::ModuleType;
use deno_core::url::Url;
use deno_error::JsErrorBox;

/// A module in its own address.
pub(super) fn read(url: &Url) -> Result<(ModuleType, String), JsErrorBox> {
    let broken = || JsErrorBox::type_error("a data: URL that cannot be read");
    let parsed = deno_core::url::Url::parse(url.as_str()).map_err(|_| broken())?;
    let (head, body) = parsed.path().split_once(',').ok_or_else(broken)?;
    let text = match head.strip_suffix(";base64") {
        Some(_) => base64(&percent(body)).ok_or_else(broken)?,
        None => percent(body),
    };
    let text = String::from_utf8(text).map_err(|_| broken())?;
    let kind = if head.starts_with("application/json") { ModuleType::Json } else { ModuleType::JavaScript };
    Ok((kind, text))
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

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}
