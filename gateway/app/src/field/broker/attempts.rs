//! Who connects too often, and who guesses passwords: the memory of the gate about addresses.
//!
//! Pure. Connections are counted per address, wrong passwords per address and user, so that a device with a wrong
//! password does not lock out its neighbours behind the same address. Nothing here knows sockets or passwords.

use super::bucket::{Bucket, Rate};
use linli_domain::time::Monotonic;
use rustc_hash::FxHashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// Addresses remembered for their connections, and pairs of address and user for their wrong passwords. Past it the
/// one that was heard of longest ago is forgotten; whoever has that many addresses is not stopped by counting them.
const MAX_REMEMBERED: usize = 4_096;
/// Seconds' worth of connections that may come at once: the devices behind one address start together.
const CONNECT_BURST_S: u32 = 10;
/// Wrong passwords that cost nothing: a person mistypes.
const FREE_FAILURES: u32 = 3;
/// Pause after the first wrong password that costs something; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// It does not grow past this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// After this long without a wrong password all is forgotten.
const FORGIVEN: Duration = Duration::from_secs(900);

/// Where a client comes from: its address, or the network of an IPv6 address, of which one host has very many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

/// The memory of one broker.
pub(super) struct Attempts {
    rate: Rate,
    connects: FxHashMap<Source, Heard<Bucket>>,
    failures: FxHashMap<(Source, Option<Arc<str>>), Heard<Failures>>,
}

struct Heard<T> {
    last: Monotonic,
    what: T,
}

#[derive(Default)]
struct Failures {
    count: u32,
    until: Monotonic,
}

impl Attempts {
    /// Allows `per_s` connections of one address.
    pub(super) fn new(per_s: u32) -> Self {
        Self {
            rate: Rate {
                per_s,
                burst_s: CONNECT_BURST_S,
            },
            connects: FxHashMap::default(),
            failures: FxHashMap::default(),
        }
    }

    /// Whether one more connection of this address is heard at all.
    pub(super) fn may_connect(&mut self, source: Source, now: Monotonic) -> bool {
        let rate = self.rate;
        let bucket = remembered(&mut self.connects, source, now, || Bucket::new(rate));
        bucket.try_take(now)
    }

    /// Whether the password of this user (`None`: one that does not exist) may be looked at for this address.
    pub(super) fn may_try(&self, source: Source, user: Option<&Arc<str>>, now: Monotonic) -> bool {
        let known = self.failures.get(&(source, user.cloned()));
        known.is_none_or(|heard| heard.what.until <= now)
    }

    /// A wrong password. Returns the pause that follows.
    pub(super) fn failed(&mut self, source: Source, user: Option<&Arc<str>>, now: Monotonic) -> Duration {
        let key = (source, user.cloned());
        if let Some(heard) = self.failures.get_mut(&key)
            && now.since(heard.last) >= FORGIVEN
        {
            heard.what = Failures::default();
        }
        let failures = remembered(&mut self.failures, key, now, Failures::default);
        failures.count = failures.count.saturating_add(1);
        let pause = match failures.count.checked_sub(FREE_FAILURES + 1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_PAUSE
                .saturating_mul(1 << doublings.min(16))
                .min(LONGEST_PAUSE),
        };
        failures.until = now.plus(pause);
        pause
    }

    /// The right password: what was wrong before is forgotten.
    pub(super) fn succeeded(&mut self, source: Source, user: &Arc<str>) {
        self.failures.remove(&(source, Some(Arc::clone(user))));
    }
}

/// The entry of `key`, made when it is new; the map never grows past its limit.
fn remembered<K: Eq + Hash + Clone, T>(
    map: &mut FxHashMap<K, Heard<T>>,
    key: K,
    now: Monotonic,
    make: impl FnOnce() -> T,
) -> &mut T {
    if map.len() >= MAX_REMEMBERED && !map.contains_key(&key) {
        let oldest = map.iter().min_by_key(|(_, heard)| heard.last);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            map.remove(&oldest);
        }
    }
    let heard = map.entry(key).or_insert_with(|| Heard {
        last: now,
        what: make(),
    });
    heard.last = now;
    &mut heard.what
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * 1_000)
    }

    #[test]
    fn devices_behind_one_address_may_start_together_but_not_for_ever() {
        let mut attempts = Attempts::new(5);
        let yard = source("10.0.0.7");
        assert!((0..50).all(|_| attempts.may_connect(yard, at(0))));
        assert!(!attempts.may_connect(yard, at(0)));
        assert!(attempts.may_connect(source("10.0.0.8"), at(0)), "a neighbour");
        assert!((0..5).all(|_| attempts.may_connect(yard, at(1))));
        assert!(!attempts.may_connect(yard, at(1)));
    }

    #[test]
    fn guessing_gets_slower_and_slower_and_is_forgiven_in_time() {
        let mut attempts = Attempts::new(5);
        let (yard, bin) = (source("10.0.0.7"), Arc::from("bin"));
        let mut now = at(0);
        for _ in 0..3 {
            assert_eq!(attempts.failed(yard, Some(&bin), now), Duration::ZERO);
            assert!(attempts.may_try(yard, Some(&bin), now));
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(attempts.failed(yard, Some(&bin), now), pause);
            assert!(!attempts.may_try(yard, Some(&bin), now));
            assert!(
                attempts.may_try(yard, Some(&Arc::from("bay")), now),
                "another user"
            );
            assert!(
                attempts.may_try(source("10.0.0.8"), Some(&bin), now),
                "a neighbour"
            );
            now = now.plus(pause);
            assert!(attempts.may_try(yard, Some(&bin), now));
        }
        now = now.plus(FORGIVEN);
        assert_eq!(attempts.failed(yard, Some(&bin), now), Duration::ZERO);
    }

    #[test]
    fn the_right_password_clears_the_record_and_unknown_users_share_one() {
        let mut attempts = Attempts::new(5);
        let (yard, bin) = (source("10.0.0.7"), Arc::from("bin"));
        for _ in 0..4 {
            attempts.failed(yard, Some(&bin), at(0));
            attempts.failed(yard, None, at(0));
        }
        assert!(!attempts.may_try(yard, Some(&bin), at(0)) && !attempts.may_try(yard, None, at(0)));
        attempts.succeeded(yard, &bin);
        assert!(attempts.may_try(yard, Some(&bin), at(0)));
        assert!(!attempts.may_try(yard, None, at(0)));
    }

    #[test]
    fn one_host_with_many_addresses_is_one_source() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:10.0.0.7"), source("10.0.0.7"));
    }

    #[test]
    fn a_million_addresses_cost_no_more_than_a_few_thousand() {
        let mut attempts = Attempts::new(5);
        for n in 0..20_000u32 {
            let source = Source::of(IpAddr::V4(n.into()));
            attempts.may_connect(source, Monotonic(u64::from(n)));
            attempts.failed(source, None, Monotonic(u64::from(n)));
        }
        assert_eq!(
            (attempts.connects.len(), attempts.failures.len()),
            (MAX_REMEMBERED, MAX_REMEMBERED)
        );
    }
}
