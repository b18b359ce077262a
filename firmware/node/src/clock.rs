//! Uptime from a millisecond counter that wraps every 49.7 days.
//!
//! Not responsible for: calendar time; a node has none.

/// Seconds since start, fed by a wrapping counter. Feed it at least once in 49 days.
#[derive(Clone, Copy, Debug, Default)]
pub struct Uptime {
    last_ms: Option<u32>,
    seconds: u32,
    rest_ms: u32,
}

impl Uptime {
    pub(crate) fn advance(&mut self, now_ms: u32) {
        let passed = now_ms.wrapping_sub(*self.last_ms.get_or_insert(now_ms));
        self.last_ms = Some(now_ms);
        let rest = self.rest_ms + passed % 1000;
        self.seconds = self.seconds.wrapping_add(passed / 1000 + rest / 1000);
        self.rest_ms = rest % 1000;
    }

    /// Whole seconds.
    pub fn seconds(self) -> u32 {
        self.seconds
    }

    /// Seconds since the uptime was `then_s`, saturating at what a 16-bit register can say below `limit`.
    pub(crate) fn since(self, then_s: u32, limit: u16) -> u16 {
        u16::try_from(self.seconds.wrapping_sub(then_s)).map_or(limit, |age| age.min(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_goes_on_when_the_counter_wraps() {
        let mut uptime = Uptime::default();
        uptime.advance(u32::MAX - 999);
        uptime.advance(500);
        assert_eq!(uptime.seconds(), 1);
        uptime.advance(1_000);
        assert_eq!(uptime.seconds(), 2);
    }

    #[test]
    fn an_age_too_long_for_its_register_saturates() {
        let mut uptime = Uptime::default();
        uptime.advance(0);
        uptime.advance(100_000_000);
        assert_eq!(uptime.since(99_990, u16::MAX), 10);
        assert_eq!(uptime.since(0, u16::MAX - 1), u16::MAX - 1);
    }
}
