//! What becomes of a request that reached a node or a module: its answer, as its fault lets it through.
//!
//! Not responsible for: the answer itself, and its frame; see `session`.

use std::time::Duration;

use linli_modbus_slave::{Audience, Pdu};

use crate::Fault;

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// Send this.
    Answer {
        pdu: Box<Pdu>,
        damage: Damage,
        delay: Duration,
    },
    /// Say nothing.
    Quiet,
    /// There is nobody at this address.
    Absent,
}

/// What happens to an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Whole,
    BadChecksum,
    Truncated,
}

/// How somebody with this fault reacts to a request. `answer` is what works would say, and carries the request out.
pub(crate) fn to(
    fault: Fault,
    request: &[u8],
    audience: Audience,
    answer: impl FnOnce() -> Option<Pdu>,
) -> Reaction {
    let refuse = |code| match request.first() {
        Some(&function) if function < 0x80 => Some(Pdu::refusal(function, code)),
        _ => None,
    };
    let pdu = match fault {
        Fault::Silent => None,
        Fault::Exception(code) => refuse(code).filter(|_| audience == Audience::Own),
        _ => answer(),
    };
    let Some(pdu) = pdu else { return Reaction::Quiet };
    let damage = match fault {
        Fault::BadCrc => Damage::BadChecksum,
        Fault::Truncated => Damage::Truncated,
        _ => Damage::Whole,
    };
    let delay = match fault {
        Fault::Late(delay) => delay,
        _ => Duration::ZERO,
    };
    Reaction::Answer {
        pdu: Box::new(pdu),
        damage,
        delay,
    }
}
