//! The machine that reads a pickle: a stack of values, marks and a memo, one method per kind of opcode.
//!
//! It calls nothing: a name becomes a [`Global`] if it is one of the few that tensors need, a call becomes the value that
//! the call would give, and everything else is an error.

use super::{Global, Id, Value};

/// A program, how far it is read, and what it made.
pub struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
}

impl<'a> Machine<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: Vec::new() }
    }

    /// Bytes read so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// All values made.
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// Reads one opcode; the value that the program leaves, where it ends here.
    pub fn step(&mut self) -> Result<Option<Id>, String> {
        let opcode = self.number(1)? as u8;
        if opcode == b'.' {
            return self.pop().map(Some);
        }
        let is_known = self.order(opcode)?
            || self.plain(opcode)?
            || self.container(opcode)?
            || self.reference(opcode)?
            || self.memo(opcode)?;
        if is_known {
            return Ok(None);
        }
        Err(format!("the opcode 0x{opcode:02x} is not one that tensors need; nothing was executed"))
    }

    /// Opcodes that order the program and the stack: protocol, frame, mark, pop. Whether it is one of them.
    fn order(&mut self, opcode: u8) -> Result<bool, String> {
        match opcode {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opcodes of plain values: none, truth, numbers, text.
    fn plain(&mut self, opcode: u8) -> Result<bool, String> {
        match opcode {
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let value = self.number(4)? as u32 as i32;
                self.push(Value::Int(value.into()));
            }
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            0x8a => self.long()?,
            b'G' => {
                let bits = self.number(8)?.swap_bytes();
                self.push(Value::Float(f64::from_bits(bits)));
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opcodes that make lists, tuples and dictionaries and fill them.
    fn container(&mut self, opcode: u8) -> Result<bool, String> {
        match opcode {
            b']' | b')' => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or(EMPTY)?;
                let items = self.stack.split_off(from);
                self.push(Value::Sequence(items));
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Sequence(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.extend(&items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opcodes that refer to what lies outside, all of which become data: names, storages, calls.
    fn reference(&mut self, opcode: u8) -> Result<bool, String> {
        match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.global(&module, &name)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            // State of an ordered dictionary (its `_metadata`): nothing a tensor needs.
            b'b' => drop(self.pop()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opcodes that number values and take them up again.
    fn memo(&mut self, opcode: u8) -> Result<bool, String> {
        match opcode {
            b'q' => {
                let slot = self.number(1)?;
                self.memoise(slot)?;
            }
            b'r' => {
                let slot = self.number(4)?;
                self.memoise(slot)?;
            }
            0x94 => self.memoise(self.memo.len() as u64)?,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("the pickle ends early: it has {} bytes", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of `n` bytes, at most 8.
    fn number(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn integer(&mut self, n: usize) -> Result<(), String> {
        let value = self.number(n)?;
        self.push(Value::Int(value as i64));
        Ok(())
    }

    fn long(&mut self) -> Result<(), String> {
        let n = self.number(1)? as usize;
        if n > 8 {
            return Err(format!("an integer of {n} bytes; at most 8 are read"));
        }
        let unsigned = self.number(n)?;
        let unused = 64 - 8 * n as u32;
        let value = if n == 0 { 0 } else { (unsigned << unused) as i64 >> unused };
        self.push(Value::Int(value));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), String> {
        let n = usize::try_from(self.number(width)?).map_err(|_| "a text longer than memory".to_owned())?;
        let text = String::from_utf8(self.take(n)?.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let n = rest.iter().position(|byte| *byte == b'\n').ok_or("a name does not end")?;
        let line = String::from_utf8_lossy(&rest[..n]).into_owned();
        self.at += n + 1;
        Ok(line)
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Result<Id, String> {
        Ok(self.stack.pop().ok_or(EMPTY)?)
    }

    fn pop_text(&mut self) -> Result<String, String> {
        let id = self.pop()?;
        let Value::Text(text) = &self.values[id] else { return Err("a name is not text".into()) };
        Ok(text.clone())
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or(EMPTY)?;
        Ok(self.stack.split_off(mark))
    }

    fn extend(&mut self, items: &[Id]) -> Result<(), String> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        let Value::Sequence(list) = &mut self.values[top] else { return Err("appending to what is no list".into()) };
        list.extend_from_slice(items);
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        let Value::Dict(dict) = &mut self.values[top] else { return Err("setting an item of what is no dict".into()) };
        let pairs = items.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err("a key without a value".into());
        }
        dict.extend(pairs.map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn memoise(&mut self, slot: u64) -> Result<(), String> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        // A program of n bytes cannot number more than n values.
        let slot = usize::try_from(slot).ok().filter(|slot| *slot <= self.bytes.len()).ok_or("a memo out of range")?;
        if slot >= self.memo.len() {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(top);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), String> {
        let slot = self.number(width)? as usize;
        let id = self.memo.get(slot).copied().flatten().ok_or("a memo that was never set")?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let found = Global::named(module, name).ok_or_else(|| {
            format!("it refers to `{module}.{name}`, which tensors do not need; nothing was executed")
        })?;
        self.push(Value::Global(found));
        Ok(())
    }

    /// `('storage', type, key, location, elements)`.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let parts = self.sequence(id)?;
        let [kind, element, key, _, n] = parts[..] else { return Err("a storage has five parts".into()) };
        match (&self.values[kind], &self.values[element], &self.values[key], &self.values[n]) {
            (Value::Text(kind), Value::Global(Global::Storage(element)), Value::Text(key), Value::Int(n))
                if kind == "storage" && *n >= 0 && key.len() <= MAX_ARGUMENTS =>
            {
                self.push(Value::Storage(*element, key.clone(), *n as usize));
                Ok(())
            }
            _ => Err("a storage that is not one of tensors".into()),
        }
    }

    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let arguments = self.sequence(arguments)?;
        let Value::Global(global) = self.values[callee] else { return Err("a call of what is no name".into()) };
        let value = match (global, &arguments[..]) {
            (Global::OrderedDict, []) => Value::Dict(Vec::new()),
            (Global::Size, [size]) => Value::Sequence(self.sequence(*size)?),
            (Global::RebuildParameter, [tensor, ..]) if matches!(self.values[*tensor], Value::Tensor(..)) => {
                self.values[*tensor].clone()
            }
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let offset = self.size(*offset)?;
                Value::Tensor(*storage, offset, self.sizes(*shape)?, self.sizes(*strides)?)
            }
            _ => return Err(format!("{global:?} with {} arguments", arguments.len())),
        };
        self.push(value);
        Ok(())
    }

    fn sequence(&self, id: Id) -> Result<Vec<Id>, String> {
        match &self.values[id] {
            Value::Sequence(items) if items.len() <= MAX_ARGUMENTS => Ok(items.clone()),
            Value::Sequence(items) => Err(format!("a tuple of {} where tensors need a few", items.len())),
            _ => Err("a tuple is missing".into()),
        }
    }

    fn size(&self, id: Id) -> Result<usize, String> {
        let Value::Int(size) = self.values[id] else { return Err("a size is not a whole number".into()) };
        usize::try_from(size).map_err(|_| format!("a size of {size}"))
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, String> {
        self.sequence(id)?.into_iter().map(|size| self.size(size)).collect()
    }
}

/// Longest tuple of arguments or sizes, and longest name of a storage: what is copied stays small.
const MAX_ARGUMENTS: usize = 64;
const EMPTY: &str = "a value is missing";
