//! Which network addresses an outgoing webhook may reach.
//!
//! The address is judged after the name is resolved and the connection goes to the judged address, so a name that
//! changes between check and use gains nothing. It does not know what is sent.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// The name leads only to addresses that are not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is internal and the channel does not allow internal addresses")]
pub struct Internal;

/// What kind of network an address belongs to, as far as the guard cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The internet.
    Public,
    /// The estate's own network or this machine: only when the channel says so.
    Private,
    /// Never a webhook: unspecified, multicast, broadcast, link-local with the cloud's metadata services.
    Never,
}

/// Whether a channel may connect to `address`.
pub fn is_allowed(address: IpAddr, allow_private: bool) -> bool {
    match reach(address) {
        Reach::Public => true,
        Reach::Private => allow_private,
        Reach::Never => false,
    }
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => reach_v4(v4),
            None => reach_v6(v6),
        },
    }
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    let protocol = a == 192 && b == 0 && c == 0;
    if a == 0 || a >= 224 || v4.is_link_local() {
        Reach::Never
    } else if v4.is_private() || v4.is_loopback() || shared || benchmark || protocol || v4.is_documentation()
    {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(v6: Ipv6Addr) -> Reach {
    let [first, second, ..] = v6.segments();
    let documentation = first == 0x2001 && second == 0x0db8;
    let teredo = first == 0x2001 && second == 0;
    let link_or_site_local = first & 0xff80 == 0xfe80;
    if v6.is_unspecified() || v6.is_multicast() || link_or_site_local || teredo {
        Reach::Never
    } else if v6.is_loopback() || first & 0xfe00 == 0xfc00 || documentation {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The IPv4 address inside a mapped, compatible, NAT64 or 6to4 address.
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    if s[..5] == [0; 5] && s[5] == 0xffff {
        return Some(v4(s[6], s[7]));
    }
    if s[..6] == [0; 6] && (s[6] != 0 || s[7] > 1) {
        return Some(v4(s[6], s[7]));
    }
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return Some(v4(s[6], s[7]));
    }
    (s[0] == 0x2002).then(|| v4(s[1], s[2]))
}

/// Resolves names with the system's resolver and leaves out every address that is not allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuardedResolver {
    /// Whether addresses of the estate's own network are allowed.
    pub(super) allow_private: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| is_allowed(address.ip(), allow_private))
                .take(MAX_ADDRESSES)
                .collect();
            if allowed.is_empty() {
                return Err(Internal.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> (bool, bool) {
        let address: IpAddr = text.parse().unwrap();
        (is_allowed(address, false), is_allowed(address, true))
    }

    #[test]
    fn the_internet_is_always_allowed() {
        for text in [
            "1.1.1.1",
            "121.51.140.139",
            "2606:4700:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(judge(text), (true, true), "{text}");
        }
    }

    #[test]
    fn internal_addresses_need_a_word_of_the_operator() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.9",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "64:ff9b::7f00:1",
            "2002:c0a8:0101::1",
            "::10.0.0.1",
        ] {
            assert_eq!(judge(text), (false, true), "{text}");
        }
    }

    #[test]
    fn metadata_and_multicast_are_never_allowed() {
        for text in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.250",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "fe80::1",
            "ff02::1",
            "fec0::1",
            "2001::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert_eq!(judge(text), (false, false), "{text}");
        }
    }
}
