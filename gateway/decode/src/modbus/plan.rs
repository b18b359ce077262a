//! From a list of registers to as few requests as gaps and limits allow.

use super::{MAX_BITS, Point, RegisterMap, RegisterRequest};

/// A value before it is given to a request.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) function: u8,
    pub(super) address: u16,
    /// Words or bits it takes.
    pub(super) count: u16,
    pub(super) point: Point,
}

/// Plans the requests. A value is never split between two of them; `max_registers` bounds words, not bits.
pub(super) fn plan(mut registers: Vec<Register>, max_registers: u16) -> RegisterMap {
    // Values keep the order of the profile within an address, so that a plan is the same on every run.
    registers.sort_by_key(|r| (r.function, r.address));
    let mut map = RegisterMap {
        requests: Vec::new(),
        points: Vec::with_capacity(registers.len()),
    };
    for register in registers {
        let limit = if register.function <= 2 {
            MAX_BITS
        } else {
            max_registers
        };
        let grown = map.requests.last().and_then(|last| grow(*last, &register, limit));
        match grown {
            Some(count) => {
                if let Some(last) = map.requests.last_mut() {
                    last.count = count;
                }
            }
            None => map.requests.push(RegisterRequest {
                function: register.function,
                start: register.address,
                count: register.count,
            }),
        }
        let request = map.requests.len() - 1;
        map.points.push(Point {
            request,
            offset: usize::from(register.address - map.requests[request].start),
            ..register.point
        });
    }
    map
}

/// The count of `last` with `register` in it, if they touch and the limit allows.
fn grow(last: RegisterRequest, register: &Register, limit: u16) -> Option<u16> {
    let from = register.address.checked_sub(last.start)?;
    let end = from.checked_add(register.count)?.max(last.count);
    (last.function == register.function && from <= last.count && end <= limit).then_some(end)
}
