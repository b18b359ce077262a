//! One request to one answer: the part of Modbus that is the same on every line.
//!
//! A request is checked as a whole (function, counts, length, addresses, values) before anything changes.
//! Not responsible for: addresses of nodes, checksums and headers; see `rtu` and `mbap`.

use crate::{Bank, Bits, Counters, Exception, Words, identify};

/// The longest protocol data unit.
pub const MAX_PDU: usize = 253;
/// The most registers one request reads.
pub const MAX_READ_WORDS: u16 = 125;
/// The most registers one request writes.
pub const MAX_WRITE_WORDS: u16 = 123;
/// The most bits one request reads.
pub const MAX_READ_BITS: u16 = 2000;
/// The most coils one request writes.
pub const MAX_WRITE_BITS: u16 = 1968;

/// To whom a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// To this node: it answers.
    Own,
    /// To every node: writes act, nobody answers.
    Everyone,
}

/// An answer under construction.
#[derive(Clone, Debug)]
pub struct Pdu {
    bytes: [u8; MAX_PDU],
    length: usize,
}

impl Default for Pdu {
    fn default() -> Self {
        Self::new()
    }
}

impl Pdu {
    /// Nothing yet.
    pub const fn new() -> Pdu {
        Pdu {
            bytes: [0; MAX_PDU],
            length: 0,
        }
    }

    /// A refusal of `function`, by any code: a simulated fault may use codes this slave never would.
    pub fn refusal(function: u8, code: u8) -> Pdu {
        let mut pdu = Pdu::new();
        pdu.put(function | 0x80);
        pdu.put(code);
        pdu
    }

    /// What goes on the wire between address and checksum.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    /// Shortens the answer, for simulated faults; never lengthens it.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    pub(crate) fn room(&self) -> usize {
        MAX_PDU - self.length
    }

    /// Appends a byte. Every answer was sized by its request's limits, so that a full buffer is unreachable.
    pub(crate) fn put(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length += 1;
        }
    }

    pub(crate) fn put_word(&mut self, word: u16) {
        for byte in word.to_be_bytes() {
            self.put(byte);
        }
    }

    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.put(*byte);
        }
    }

    pub(crate) fn set(&mut self, index: usize, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(index) {
            *slot = byte;
        }
    }
}

/// Carries out one request. `None`: nothing is to be sent (a broadcast, or no request at all).
pub fn answer(
    request: &[u8],
    audience: Audience,
    bank: &mut impl Bank,
    counters: &mut Counters,
) -> Option<Pdu> {
    let (&function, body) = request.split_first()?;
    // 0x80 and up are answers, for instance our own refusal echoed by the line driver.
    if function == 0 || function >= 0x80 {
        return None;
    }
    counters.requests = counters.requests.wrapping_add(1);
    if audience == Audience::Everyone && !matches!(function, 5 | 6 | 15 | 16) {
        return None;
    }
    let mut out = Pdu::new();
    out.put(function);
    if let Err(exception) = carry_out(function, body, bank, counters, &mut out) {
        counters.exceptions = counters.exceptions.wrapping_add(1);
        out = Pdu::refusal(function, exception as u8);
    }
    (audience == Audience::Own).then_some(out)
}

fn carry_out(
    function: u8,
    body: &[u8],
    bank: &mut impl Bank,
    counters: &mut Counters,
    out: &mut Pdu,
) -> Result<(), Exception> {
    match function {
        1 => read_bits(body, |address| bank.coil(address), out),
        2 => read_bits(body, |address| bank.discrete(address), out),
        3 => read_words(body, |address| bank.holding(address), out),
        4 => read_words(body, |address| bank.input(address), out),
        5 => write_coil(body, bank, out),
        6 => write_word(body, bank, out),
        8 => diagnose(body, counters, out),
        15 => write_coils(body, bank, out),
        16 => write_words(body, bank, out),
        43 => identify::answer(body, bank, out),
        _ => Err(Exception::IllegalFunction),
    }
}

fn read_bits(
    body: &[u8],
    bit: impl Fn(u16) -> Result<bool, Exception>,
    out: &mut Pdu,
) -> Result<(), Exception> {
    let (start, count) = two_words(body)?;
    let addresses = span(start, count, MAX_READ_BITS)?;
    out.put(count.div_ceil(8) as u8);
    let mut packed = 0;
    let mut filled = 0;
    for address in addresses {
        packed |= u8::from(bit(address)?) << filled;
        filled += 1;
        if filled == 8 {
            out.put(packed);
            (packed, filled) = (0, 0);
        }
    }
    if filled > 0 {
        out.put(packed);
    }
    Ok(())
}

fn read_words(
    body: &[u8],
    word: impl Fn(u16) -> Result<u16, Exception>,
    out: &mut Pdu,
) -> Result<(), Exception> {
    let (start, count) = two_words(body)?;
    let addresses = span(start, count, MAX_READ_WORDS)?;
    out.put((count * 2) as u8);
    for address in addresses {
        out.put_word(word(address)?);
    }
    Ok(())
}

fn write_coil(body: &[u8], bank: &mut impl Bank, out: &mut Pdu) -> Result<(), Exception> {
    let (address, value) = two_words(body)?;
    let on: &[u8] = match value {
        0xFF00 => &[1],
        0x0000 => &[0],
        _ => return Err(Exception::IllegalValue),
    };
    bank.write_coils(address, Bits::new(on, 1))?;
    out.put_slice(body);
    Ok(())
}

fn write_word(body: &[u8], bank: &mut impl Bank, out: &mut Pdu) -> Result<(), Exception> {
    let (address, value) = two_words(body)?;
    bank.write_holding(address, Words::new(&value.to_be_bytes()))?;
    out.put_slice(body);
    Ok(())
}

fn write_coils(body: &[u8], bank: &mut impl Bank, out: &mut Pdu) -> Result<(), Exception> {
    let (head, values) = head_and_values(body)?;
    let (start, count) = two_words(head)?;
    span(start, count, MAX_WRITE_BITS)?;
    if values.len() != usize::from(count.div_ceil(8)) {
        return Err(Exception::IllegalValue);
    }
    bank.write_coils(start, Bits::new(values, count))?;
    out.put_slice(head);
    Ok(())
}

fn write_words(body: &[u8], bank: &mut impl Bank, out: &mut Pdu) -> Result<(), Exception> {
    let (head, values) = head_and_values(body)?;
    let (start, count) = two_words(head)?;
    span(start, count, MAX_WRITE_WORDS)?;
    if values.len() != usize::from(count) * 2 {
        return Err(Exception::IllegalValue);
    }
    bank.write_holding(start, Words::new(values))?;
    out.put_slice(head);
    Ok(())
}

/// Function 8: an echo, the counters, and their reset.
fn diagnose(body: &[u8], counters: &mut Counters, out: &mut Pdu) -> Result<(), Exception> {
    let Some((&[high, low], data)) = body.split_first_chunk::<2>() else {
        return Err(Exception::IllegalValue);
    };
    match u16::from_be_bytes([high, low]) {
        0x00 => out.put_slice(body),
        0x0A if data == [0, 0] => {
            *counters = Counters::new();
            out.put_slice(body);
        }
        sub_function => {
            let count = counters
                .diagnostic(sub_function)
                .ok_or(Exception::IllegalFunction)?;
            if data != [0, 0] {
                return Err(Exception::IllegalValue);
            }
            out.put_word(sub_function);
            out.put_word(count);
        }
    }
    Ok(())
}

/// Splits a multiple write into start and count (4 bytes) and the values its byte count announces.
fn head_and_values(body: &[u8]) -> Result<(&[u8], &[u8]), Exception> {
    let Some((head, rest)) = body.split_at_checked(4) else {
        return Err(Exception::IllegalValue);
    };
    match rest.split_first() {
        Some((&length, values)) if values.len() == usize::from(length) => Ok((head, values)),
        _ => Err(Exception::IllegalValue),
    }
}

fn two_words(body: &[u8]) -> Result<(u16, u16), Exception> {
    match *body {
        [a, b, c, d] => Ok((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
        _ => Err(Exception::IllegalValue),
    }
}

/// The addresses of a request: at least one, at most `limit`, none past 0xFFFF.
fn span(start: u16, count: u16, limit: u16) -> Result<core::ops::RangeInclusive<u16>, Exception> {
    if count == 0 || count > limit {
        return Err(Exception::IllegalValue);
    }
    let last = start.checked_add(count - 1).ok_or(Exception::IllegalAddress)?;
    Ok(start..=last)
}
