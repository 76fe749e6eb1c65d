//! WebAssembly modules that define memories, made to import them.
//!
//! The engine tells nobody how much memory a module has defined for itself. So a module's own memories become imports, the last ones,
//! which keeps their numbers; whoever instantiates it makes them, and counts them.
//!
//! # Standard
//! WebAssembly Core Specification 3.0, binary format: modules, import section, memory section.

/// From which module they are imported.
pub const FROM: &str = "\0warren:memory";

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const CUSTOM: u8 = 0;
const TYPES: u8 = 1;
const IMPORTS: u8 = 2;
const MEMORIES: u8 = 5;
const A_MEMORY: u8 = 2;
/// Memories a module may define: each takes many times its two bytes here and in the engine.
const DEFINED_MAX: u64 = 256;
const HAS_MAXIMUM: u64 = 1;
const IS_SHARED: u64 = 2;
const IS_WIDE: u64 = 4;

/// A memory of a module's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Pages it begins with.
    pub initial: u64,
    /// Pages it may grow to, if it says so.
    pub maximum: Option<u64>,
    /// Whether it is shared.
    pub shared: bool,
    /// Whether its addresses are of 64 bits.
    pub wide: bool,
}

/// Memories that a module defined, and the module that imports them.
pub type Imported = (Vec<Memory>, Vec<u8>);

/// It is no module, has a memory of an unknown kind, or more than 256.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown;

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no module, or one with a memory of an unknown kind or more than 256 of them")
    }
}

/// The memories a module defines, in order, and the module with imports of their numbers from [`FROM`] in their place; `None` when it
/// defines none. Nothing but these two sections is looked at.
///
/// # Errors
/// [`Unknown`].
pub fn import_memories(module: &[u8]) -> Result<Option<Imported>, Unknown> {
    let mut rest = Reader(module.strip_prefix(HEADER).ok_or(Unknown)?);
    let (mut before, mut imports, mut after, mut memories) = (HEADER.to_vec(), None, Vec::new(), None);
    let mut is_past_imports = false;
    while !rest.0.is_empty() {
        let whole = rest.0;
        let kind = rest.byte()?;
        let payload = rest.vector()?;
        let whole = &whole[..whole.len() - rest.0.len()];
        is_past_imports |= !matches!(kind, CUSTOM | TYPES);
        match kind {
            IMPORTS if imports.is_none() => imports = Some(payload),
            MEMORIES if memories.is_none() => memories = Some(limits(payload)?),
            IMPORTS | MEMORIES => return Err(Unknown),
            _ if is_past_imports => after.extend_from_slice(whole),
            _ => before.extend_from_slice(whole),
        }
    }
    let Some(memories) = memories.filter(|memories| !memories.is_empty()) else { return Ok(None) };
    let mut entries = Reader(imports.unwrap_or(&[0]));
    let count = entries.number()?.checked_add(memories.len() as u64).ok_or(Unknown)?;
    let mut section = Vec::new();
    put_number(&mut section, count);
    section.extend_from_slice(entries.0);
    for (number, (_, limits)) in memories.iter().enumerate() {
        for name in [FROM, &number.to_string()] {
            put_number(&mut section, name.len() as u64);
            section.extend_from_slice(name.as_bytes());
        }
        section.push(A_MEMORY);
        section.extend_from_slice(limits);
    }
    before.push(IMPORTS);
    put_number(&mut before, section.len() as u64);
    before.append(&mut section);
    before.append(&mut after);
    Ok(Some((memories.into_iter().map(|(memory, _)| memory).collect(), before)))
}

/// The memories of a section, each with its text.
fn limits(payload: &[u8]) -> Result<Vec<(Memory, &[u8])>, Unknown> {
    let mut rest = Reader(payload);
    let count = rest.number()?;
    if count > DEFINED_MAX {
        return Err(Unknown);
    }
    let mut memories = Vec::new();
    for _ in 0..count {
        let whole = rest.0;
        let flags = rest.number()?;
        if flags & !(HAS_MAXIMUM | IS_SHARED | IS_WIDE) != 0 {
            return Err(Unknown);
        }
        let initial = rest.number()?;
        let maximum = if flags & HAS_MAXIMUM == 0 { None } else { Some(rest.number()?) };
        let memory = Memory { initial, maximum, shared: flags & IS_SHARED != 0, wide: flags & IS_WIDE != 0 };
        memories.push((memory, &whole[..whole.len() - rest.0.len()]));
    }
    if rest.0.is_empty() { Ok(memories) } else { Err(Unknown) }
}

/// What is left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Unknown> {
        let (first, rest) = self.0.split_first().ok_or(Unknown)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Unsigned LEB128 of up to 64 bits.
    fn number(&mut self) -> Result<u64, Unknown> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let placed = bits << shift;
            if placed >> shift != bits {
                return Err(Unknown);
            }
            number |= placed;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unknown)
    }

    /// Bytes after their number.
    fn vector(&mut self) -> Result<&'a [u8], Unknown> {
        let length = usize::try_from(self.number()?).map_err(|_| Unknown)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Unknown)?;
        self.0 = rest;
        Ok(bytes)
    }
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[cfg(test)]
mod tests;
