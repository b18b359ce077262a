//! Read device identification (43/14): vendor, product and revision in words.
//!
//! Not responsible for: private objects (0x80 and up); this slave offers the basic and the regular ones.

use crate::{Bank, Exception, Pdu};

/// "Read device identification" among the encapsulated interfaces of function 43.
const INTERFACE: u8 = 14;
/// Regular objects, as a stream or one by one.
const CONFORMITY: u8 = 0x82;
const LAST_BASIC: u8 = 2;
const LAST_REGULAR: u8 = 6;

pub(crate) fn answer(body: &[u8], bank: &impl Bank, out: &mut Pdu) -> Result<(), Exception> {
    let &[interface, code, object] = body else {
        return Err(match body.first() {
            Some(&INTERFACE) => Exception::IllegalValue,
            _ => Exception::IllegalFunction,
        });
    };
    if interface != INTERFACE {
        return Err(Exception::IllegalFunction);
    }
    let (first, last) = match code {
        1 => (object, LAST_BASIC),
        // Extended is answered on the level this node has, as the specification asks.
        2 | 3 => (object, LAST_REGULAR),
        4 if bank.identity(object).is_some() => (object, object),
        4 => return Err(Exception::IllegalAddress),
        _ => return Err(Exception::IllegalValue),
    };
    // A stream that starts at an object that does not exist starts over.
    let first = if first <= last && bank.identity(first).is_some() {
        first
    } else {
        0
    };

    out.put_slice(&[INTERFACE, code, CONFORMITY]);
    let more_follows = out.as_bytes().len();
    out.put_slice(&[0, 0, 0]);
    let mut count = 0;
    for id in first..=last {
        let Some(text) = bank.identity(id) else { continue };
        let text = text.as_bytes();
        let Ok(length) = u8::try_from(text.len()) else {
            continue;
        };
        if out.room() < text.len() + 2 {
            out.set(more_follows, 0xFF);
            out.set(more_follows + 1, id);
            break;
        }
        out.put(id);
        out.put(length);
        out.put_slice(text);
        count += 1;
    }
    out.set(more_follows + 2, count);
    Ok(())
}
