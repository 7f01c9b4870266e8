//! Reads a pickle as the description of tensors that it is: a stack machine with the instructions that PyTorch writes
//! for weights, which makes plain values, imports nothing and calls nothing.
//!
//! Instructions: CPython, `Lib/pickletools.py`; protocols 2 to 5.

use std::collections::HashMap;

use super::CheckpointProblem;
use super::globals::{Global, persistent_storage};
use super::objects::{Object, Objects, Value};

/// Most bytes of a pickle: hundreds of times those of the largest networks.
const LONGEST: usize = 1 << 24;

const PICKLE: &str = "its pickle";

type Step<T> = Result<T, CheckpointProblem>;

/// A pickle that was read.
pub(super) struct Pickle {
    pub(super) objects: Objects,
    pub(super) root: Value,
    /// The byte after its last one.
    pub(super) end: usize,
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    objects: Objects,
}

/// Reads the pickle that begins at `start`.
///
/// # Errors
///
/// A name that is no part of tensors, an instruction that weights do not need, or a pickle that is cut off, malformed
/// or too long.
pub(super) fn read(bytes: &[u8], start: usize) -> Result<Pickle, CheckpointProblem> {
    let rest = bytes.get(start..).unwrap_or_default();
    let bytes = rest.get(..LONGEST).unwrap_or(rest);
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        objects: Objects::default(),
    };
    match machine.run() {
        Ok(root) => Ok(Pickle { objects: machine.objects, root, end: start + machine.at }),
        Err(CheckpointProblem::CutOff { .. }) if rest.len() > LONGEST => {
            Err(CheckpointProblem::TooLarge { part: PICKLE, limit: LONGEST })
        }
        Err(problem) => Err(problem),
    }
}

fn malformed(expected: &'static str) -> CheckpointProblem {
    CheckpointProblem::Malformed { part: PICKLE, expected }
}

impl Machine<'_> {
    /// Runs to STOP.
    fn run(&mut self) -> Step<Value> {
        loop {
            match self.byte()? {
                b'.' => return self.pop(),
                opcode => self.step(opcode)?,
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Step<()> {
        match opcode {
            // PROTO, FRAME
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            // POP, POP_MARK, DUP, MARK
            b'0' => self.pop().map(drop),
            b'1' => self.above_mark().map(drop),
            b'2' => self.top().map(|value| self.stack.push(value)),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' | b'r' | 0x94 => self.memorise(opcode),
            b'h' | b'j' => self.recall(opcode),
            b'c' | 0x93 | b'Q' | b'R' | b'b' => self.object(opcode),
            b'}' | b']' | b')' | b't' | 0x85..=0x87 | b'a' | b'e' | b's' | b'u' => self.container(opcode),
            _ => self.literal(opcode),
        }
    }

    /// Pushes a number, a text or one of Python's constants.
    fn literal(&mut self, opcode: u8) -> Step<()> {
        let value = match opcode {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            // BININT, BININT1, BININT2, LONG1, BINFLOAT
            b'J' => Value::Integer(i128::from(i32::from_le_bytes(self.array()?))),
            b'K' => Value::Integer(i128::from(self.byte()?)),
            b'M' => Value::Integer(i128::from(u16::from_le_bytes(self.array()?))),
            0x8a => self.long()?,
            b'G' => self.take(8).map(|_| Value::Float)?,
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, and the texts of Python 2: BINSTRING, SHORT_BINSTRING
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(u64::from(length))?
            }
            0x8c | b'U' => {
                let length = self.byte()?;
                self.text(u64::from(length))?
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?
            }
            _ => return Err(CheckpointProblem::Opcode { opcode, at: self.at - 1 }),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Makes or fills a tuple, list or mapping.
    fn container(&mut self, opcode: u8) -> Step<()> {
        let made = match opcode {
            b'}' => Object::Mapping(Vec::new()),
            b']' => Object::List(Vec::new()),
            b')' => Object::Tuple(Vec::new()),
            b't' => Object::Tuple(self.above_mark()?),
            0x85..=0x87 => Object::Tuple(self.pops(usize::from(opcode - 0x84))?),
            // APPEND, APPENDS
            b'a' => return self.pops(1).and_then(|items| self.append(&items)),
            b'e' => return self.above_mark().and_then(|items| self.append(&items)),
            // SETITEM; SETITEMS
            b's' => return self.pops(2).and_then(|items| self.set(&items)),
            _ => return self.above_mark().and_then(|items| self.set(&items)),
        };
        let value = self.objects.add(made);
        self.stack.push(value);
        Ok(())
    }

    /// GLOBAL, STACK_GLOBAL, BINPERSID, REDUCE and BUILD: what could run code in Python.
    fn object(&mut self, opcode: u8) -> Step<()> {
        let value = match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.objects.add(Object::Global(Global::named(&module, &name)?))
            }
            0x93 => {
                let names = self.pops(2)?;
                let text = |value| self.objects.text(value).ok_or(malformed("a module and a name"));
                let global = Global::named(text(names[0])?, text(names[1])?)?;
                self.objects.add(Object::Global(global))
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = persistent_storage(id, &self.objects).ok_or(malformed("a storage"))?;
                self.objects.add(Object::Storage(storage))
            }
            b'R' => {
                let called = self.pops(2)?;
                let global = self.objects.global(called[0]).ok_or(malformed("a call of a known name"))?;
                global.call(called[1], &mut self.objects)?
            }
            // The attributes of a mapping say which versions of modules it was saved from.
            _ => {
                self.pop()?;
                let target = self.top()?;
                return self.objects.entries(target).map(drop).ok_or(malformed("a mapping with attributes"));
            }
        };
        self.stack.push(value);
        Ok(())
    }

    fn memorise(&mut self, opcode: u8) -> Step<()> {
        let number = match opcode {
            b'q' => u32::from(self.byte()?),
            b'r' => u32::from_le_bytes(self.array()?),
            _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
        };
        let value = self.top()?;
        self.memo.insert(number, value);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Step<()> {
        let number = match opcode {
            b'h' => u32::from(self.byte()?),
            _ => u32::from_le_bytes(self.array()?),
        };
        let value = self.memo.get(&number).ok_or(malformed("a value that it had before"))?;
        self.stack.push(*value);
        Ok(())
    }

    fn append(&mut self, added: &[Value]) -> Step<()> {
        let list = self.top()?;
        match self.objects.get_mut(list) {
            Some(Object::List(items)) => items.extend_from_slice(added),
            _ => return Err(malformed("a list")),
        }
        Ok(())
    }

    fn set(&mut self, added: &[Value]) -> Step<()> {
        let mapping = self.top()?;
        let (pairs, odd) = added.as_chunks();
        match self.objects.get_mut(mapping) {
            Some(Object::Mapping(entries)) if odd.is_empty() => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            _ => return Err(malformed("a mapping")),
        }
        Ok(())
    }

    /// A number of up to 16 bytes, the least significant first, as two's complement.
    fn long(&mut self) -> Step<Value> {
        let length = usize::from(self.byte()?);
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut whole = [if negative { 0xFF } else { 0 }; 16];
        whole.get_mut(..length).ok_or(malformed("a number of 16 bytes at most"))?.copy_from_slice(bytes);
        Ok(Value::Integer(i128::from_le_bytes(whole)))
    }

    fn text(&mut self, length: u64) -> Step<Value> {
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        let text = str::from_utf8(bytes).map_err(|_| malformed("text in UTF-8"))?.to_owned();
        Ok(self.objects.add(Object::Text(text)))
    }

    /// The text before the next newline.
    fn line(&mut self) -> Step<String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or(CheckpointProblem::CutOff { part: PICKLE })?;
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(text)
    }

    fn byte(&mut self) -> Step<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let bytes = self.take(N)?.first_chunk();
        bytes.copied().ok_or(CheckpointProblem::CutOff { part: PICKLE })
    }

    fn take(&mut self, length: usize) -> Step<&[u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(CheckpointProblem::CutOff { part: PICKLE })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn top(&self) -> Step<Value> {
        self.stack.last().copied().ok_or(malformed("a value on the stack"))
    }

    fn pop(&mut self) -> Step<Value> {
        self.stack.pop().ok_or(malformed("a value on the stack"))
    }

    /// The last `count` values.
    fn pops(&mut self, count: usize) -> Step<Vec<Value>> {
        let height = self.stack.len().checked_sub(count).ok_or(malformed("a value on the stack"))?;
        Ok(self.stack.split_off(height))
    }

    /// The values since the last mark.
    fn above_mark(&mut self) -> Step<Vec<Value>> {
        let height = self.marks.pop().filter(|&height| height <= self.stack.len());
        Ok(self.stack.split_off(height.ok_or(malformed("a mark on the stack"))?))
    }
}
