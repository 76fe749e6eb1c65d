//! Values as V8 serializes them (its wire format, versions 13 to 15), looked through before the engine reads what a program wrote.
//!
//! A buffer that can grow reserves as much address space as its text says, and is counted by nobody; so there is none, and the engine is
//! given no text that has one. What is read here is where each value begins and ends, and nothing is made of it: memory is the nesting
//! of the text, at most.
//!
//! Objects that a program reads itself (`\`, Node's buffers among them) are taken to be as Node writes them: what they are, their length
//! and their bytes. Whoever lets a program read them looks whether it did so.

/// What a text was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// One whole value.
    Whole,
    /// The same, or something that is no value, behind an object that a program reads.
    UpToObject,
    /// It has a buffer that can grow.
    Growing,
    /// It ends early, or has something that is none of the format.
    Unreadable,
}

/// Values within values, at most: the engine's own stack allows fewer.
const NESTED_MAX: usize = 1 << 20;

/// What is to be read next.
enum Next {
    Value,
    /// Values until this, which so many numbers follow.
    Until(u8, u32),
    /// Values of a list, and then its properties.
    Elements(u32),
    /// Parts of an error.
    Error,
}

/// Looks through the value that a text begins with.
pub(crate) fn look(text: &[u8]) -> Seen {
    let mut reader = Reader { text, objects: false, next: vec![Next::Value] };
    match reader.value() {
        Ok(()) if reader.objects => Seen::UpToObject,
        Ok(()) => Seen::Whole,
        Err(Stop::Growing) => Seen::Growing,
        Err(Stop::Unreadable) if reader.objects => Seen::UpToObject,
        Err(Stop::Unreadable) => Seen::Unreadable,
    }
}

/// Whether an object that a program read from one place of a text up to another is as Node writes them. If it is not, there must be
/// nothing behind it that could be taken for a buffer that can grow.
pub(crate) fn was_read(text: &[u8], from: usize, upto: usize) -> bool {
    let (Some(object), Some(rest)) = (text.get(from..), text.get(upto..)) else { return false };
    let mut reader = Reader { text: object, objects: true, next: Vec::new() };
    let whole = reader.number().and_then(|_| reader.counted());
    (whole.is_ok() && reader.text.len() == rest.len()) || !rest.contains(&b'~')
}

enum Stop {
    Growing,
    Unreadable,
}

struct Reader<'a> {
    text: &'a [u8],
    objects: bool,
    next: Vec<Next>,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<(), Stop> {
        while let Some(next) = self.next.pop() {
            if self.next.len() > NESTED_MAX {
                return Err(Stop::Unreadable);
            }
            match next {
                Next::Value => self.one()?,
                Next::Until(end, numbers) => {
                    if self.peek()? == end {
                        self.byte()?;
                        (0..numbers).try_for_each(|_| self.number().map(drop))?;
                    } else {
                        self.next.extend([Next::Until(end, numbers), Next::Value]);
                    }
                }
                Next::Elements(0) => self.next.push(Next::Until(b'$', 2)),
                Next::Elements(left) => {
                    self.next.push(Next::Elements(left - 1));
                    if self.peek()? == b'-' {
                        self.byte()?;
                    } else {
                        self.next.push(Next::Value);
                    }
                }
                Next::Error => match self.byte()? {
                    b'E' | b'R' | b'F' | b'S' | b'T' | b'U' => self.next.push(Next::Error),
                    b'm' | b's' | b'c' => self.next.extend([Next::Error, Next::Value]),
                    b'.' => {}
                    _ => return Err(Stop::Unreadable),
                },
            }
        }
        Ok(())
    }

    fn one(&mut self) -> Result<(), Stop> {
        self.peek()?;
        let tag = self.byte()?;
        match tag {
            b'~' => return Err(Stop::Growing),
            b'_' | b'0' | b'T' | b'F' | b'x' | b'y' => {}
            b'I' | b'U' => drop(self.number()?),
            b'N' | b'D' | b'n' => self.skip(8)?,
            b'Z' | b'z' => {
                let sign_and_length = self.number()?;
                self.skip(sign_and_length >> 1)?;
            }
            b'"' | b'c' | b'S' => self.counted()?,
            b's' => self.next.push(Next::Value),
            b'R' => {
                // Its pattern, which is a string, and its flags.
                self.peek()?;
                if !matches!(self.byte()?, b'"' | b'c' | b'S') {
                    return Err(Stop::Unreadable);
                }
                self.counted()?;
                self.number()?;
            }
            b'o' => self.next.push(Next::Until(b'{', 1)),
            b'a' => {
                self.number()?;
                self.next.push(Next::Until(b'@', 2));
            }
            b'A' => {
                let length = self.number()?;
                self.next.push(Next::Elements(length));
            }
            b';' => self.next.push(Next::Until(b':', 1)),
            b'\'' => self.next.push(Next::Until(b',', 1)),
            b'r' => self.next.push(Next::Error),
            b'B' => {
                self.counted()?;
                self.view()?;
            }
            b'^' | b't' | b'u' => {
                self.number()?;
                self.view()?;
            }
            b'\\' => {
                self.objects = true;
                self.number()?;
                self.counted()?;
            }
            _ => return Err(Stop::Unreadable),
        }
        Ok(())
    }

    /// What a buffer is seen through, if it is.
    fn view(&mut self) -> Result<(), Stop> {
        if self.padded().first() == Some(&b'V') {
            self.peek()?;
            self.byte()?;
            // What it is, where it begins, how long it is, and whether it follows its buffer's length.
            (0..4).try_for_each(|_| self.number().map(drop))?;
        }
        Ok(())
    }

    /// What comes behind zeros.
    fn padded(&self) -> &[u8] {
        let zeros = self.text.iter().take_while(|byte| **byte == 0).count();
        &self.text[zeros..]
    }

    /// The next tag, which is not zero.
    fn peek(&mut self) -> Result<u8, Stop> {
        let zeros = self.text.len() - self.padded().len();
        self.text = &self.text[zeros..];
        self.text.first().copied().ok_or(Stop::Unreadable)
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let (first, rest) = self.text.split_first().ok_or(Stop::Unreadable)?;
        self.text = rest;
        Ok(*first)
    }

    /// A number of 32 bits, seven in a byte (base-128), and no longer than it has to be.
    fn number(&mut self) -> Result<u32, Stop> {
        let mut number = 0;
        for at in 0..5 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return u32::try_from(number).map_err(|_| Stop::Unreadable);
            }
        }
        Err(Stop::Unreadable)
    }

    /// So many bytes as a number says.
    fn counted(&mut self) -> Result<(), Stop> {
        let length = self.number()?;
        self.skip(length)
    }

    fn skip(&mut self, bytes: u32) -> Result<(), Stop> {
        self.text = self.text.get(bytes as usize..).ok_or(Stop::Unreadable)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
