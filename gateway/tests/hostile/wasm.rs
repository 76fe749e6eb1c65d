//! Just enough of WebAssembly's binary format to write hostile guests, and shapes no text could hold.

/// A type of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    I32 = 0x7f,
    I64 = 0x7e,
}

/// Instructions.
pub mod op {
    use super::signed;

    pub const BLOCK: u8 = 0x02;
    pub const LOOP: u8 = 0x03;
    pub const IF: u8 = 0x04;
    pub const END: u8 = 0x0b;
    pub const BR: u8 = 0x0c;
    pub const BR_IF: u8 = 0x0d;
    pub const CALL: u8 = 0x10;
    pub const DROP: u8 = 0x1a;
    pub const GET: u8 = 0x20;
    pub const TEE: u8 = 0x22;
    pub const SIZE: u8 = 0x3f;
    pub const GROW: u8 = 0x40;
    pub const NE: u8 = 0x47;
    pub const DIV: u8 = 0x6e;
    pub const SHL: u8 = 0x74;

    pub fn i32(value: i32) -> Vec<u8> {
        [vec![0x41], signed(i64::from(value))].concat()
    }

    pub fn i64(value: i64) -> Vec<u8> {
        [vec![0x42], signed(value)].concat()
    }

    /// A call with words as arguments.
    pub fn call(function: u8, arguments: &[i32]) -> Vec<u8> {
        [arguments.iter().flat_map(|word| i32(*word)).collect(), vec![CALL, function]].concat()
    }

    /// A loop without end.
    pub fn forever(body: &[u8]) -> Vec<u8> {
        [&[LOOP, 0x40], body, &[BR, 0, END]].concat()
    }
}

#[derive(Clone, Debug)]
struct Import {
    module: &'static str,
    name: &'static str,
    parameters: Vec<Value>,
    answers: bool,
}

/// A module with `memory` and `_start`.
#[derive(Clone, Debug)]
pub struct Guest {
    imports: Vec<Import>,
    pages: u32,
    table: Option<u32>,
    data: Option<(u32, Vec<u8>)>,
    locals: u32,
    body: Vec<u8>,
    /// More functions, and the constant each drops.
    more: (u32, Vec<u8>),
    /// The body is the module's start function, and `_start` is empty.
    starts: bool,
}

impl Guest {
    pub fn new() -> Guest {
        Guest {
            imports: Vec::new(),
            pages: 1,
            table: None,
            data: None,
            locals: 0,
            body: Vec::new(),
            more: (0, Vec::new()),
            starts: false,
        }
    }

    /// The next function imported: the first is 0.
    pub fn import(mut self, module: &'static str, name: &'static str, parameters: &[Value], answers: bool) -> Guest {
        self.imports.push(Import { module, name, parameters: parameters.to_vec(), answers });
        self
    }

    pub fn pages(self, pages: u32) -> Guest {
        Guest { pages, ..self }
    }

    pub fn table(self, elements: u32) -> Guest {
        Guest { table: Some(elements), ..self }
    }

    pub fn data(self, at: u32, bytes: &[u8]) -> Guest {
        Guest { data: Some((at, bytes.to_vec())), ..self }
    }

    /// Words the body has for itself.
    pub fn locals(self, locals: u32) -> Guest {
        Guest { locals, ..self }
    }

    pub fn body(self, body: &[u8]) -> Guest {
        Guest { body: body.to_vec(), ..self }
    }

    pub fn functions(self, count: u32, constant: &[u8]) -> Guest {
        Guest { more: (count, constant.to_vec()), ..self }
    }

    pub fn starts(self) -> Guest {
        Guest { starts: true, ..self }
    }

    /// Calls the first import with these arguments until it fails, and ends with the errno.
    pub fn until_error(self, arguments: &[i32]) -> Guest {
        let guest = self.import("wasi_snapshot_preview1", "proc_exit", &[Value::I32], false).locals(1);
        let call = guest.call_first(arguments);
        let exit = guest.imports.len() as u8 - 1;
        let body = [
            vec![op::LOOP, 0x40],
            call,
            vec![op::TEE, 0, op::IF, 0x40, op::GET, 0, op::CALL, exit, op::END, op::BR, 0, op::END],
        ]
        .concat();
        guest.body(&body)
    }

    /// As it is, but instead of ending it sleeps.
    pub fn then_sleeps(mut self) -> Guest {
        let last = self.imports.len() - 1;
        self.imports[last] =
            Import { module: "host_process", name: "sleep_ms", parameters: vec![Value::I32], answers: true };
        // What was `exit(errno)` is now `drop(sleep(errno * 2^24))`.
        let call = [op::CALL, last as u8, op::END];
        let at = self.body.windows(3).position(|window| window == call).expect("until_error has made the body");
        let sleep = [op::i32(24), vec![op::SHL, op::CALL, last as u8, op::DROP]].concat();
        self.body.splice(at..at + 2, sleep);
        self
    }

    fn call_first(&self, arguments: &[i32]) -> Vec<u8> {
        let constant = |(value, kind): (&i32, &Value)| match kind {
            Value::I32 => op::i32(*value),
            Value::I64 => op::i64(i64::from(*value)),
        };
        let constants = arguments.iter().zip(&self.imports[0].parameters).flat_map(constant).collect();
        [constants, vec![op::CALL, 0]].concat()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let count = self.imports.len() as u32;
        let own = 1 + u32::from(self.starts) + self.more.0;
        let mut types = vec![vec![0x60, 0, 0]];
        let mut imports = Vec::new();
        for import in &self.imports {
            let parameters = import.parameters.iter().map(|kind| *kind as u8).collect();
            let results = if import.answers { vec![1, 0x7f] } else { vec![0] };
            types.push([vec![0x60], unsigned(import.parameters.len() as u32), parameters, results].concat());
            let kind = [vec![0], unsigned(types.len() as u32 - 1)].concat();
            imports.push([name(import.module), name(import.name), kind].concat());
        }
        let start = count + u32::from(self.starts);
        let exports = vec![[name("memory"), vec![2, 0]].concat(), [name("_start"), vec![0], unsigned(start)].concat()];
        let mut codes = vec![code(self.locals, &self.body)];
        if self.starts {
            codes.push(code(0, &[]));
        }
        let dropped = if self.more.1.is_empty() { Vec::new() } else { [&self.more.1[..], &[op::DROP]].concat() };
        codes.extend(std::iter::repeat_n(code(0, &dropped), self.more.0 as usize));
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        let mut section = |id: u8, content: Vec<u8>| {
            module.push(id);
            module.extend(unsigned(content.len() as u32));
            module.extend(content);
        };
        section(1, list(&types));
        section(2, list(&imports));
        section(3, [unsigned(own), vec![0; own as usize]].concat());
        if let Some(elements) = self.table {
            section(4, list(&[[vec![0x70, 0], unsigned(elements)].concat()]));
        }
        section(5, list(&[[vec![0], unsigned(self.pages)].concat()]));
        section(7, list(&exports));
        if self.starts {
            section(8, unsigned(count));
        }
        section(10, list(&codes));
        if let Some((at, bytes)) = &self.data {
            let offset = [op::i32(*at as i32), vec![op::END]].concat();
            section(11, list(&[[vec![0], offset, unsigned(bytes.len() as u32), bytes.clone()].concat()]));
        }
        module
    }
}

impl Default for Guest {
    fn default() -> Guest {
        Guest::new()
    }
}

fn code(locals: u32, body: &[u8]) -> Vec<u8> {
    let locals = if locals == 0 { vec![0] } else { [vec![1], unsigned(locals), vec![Value::I32 as u8]].concat() };
    let whole = [&locals, body, &[op::END]].concat();
    [unsigned(whole.len() as u32), whole].concat()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [unsigned(items.len() as u32), items.concat()].concat()
}

fn name(text: &str) -> Vec<u8> {
    [unsigned(text.len() as u32), text.as_bytes().to_vec()].concat()
}

/// LEB128.
fn unsigned(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn signed(mut value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
