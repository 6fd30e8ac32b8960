use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// A class of addresses that no sandbox reaches. What is merely not global is none: a registry may be in such a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressClass {
    Unspecified,
    Loopback,
    /// Also the shared range of carriers and overlay networks (RFC 6598).
    Private,
    LinkLocal,
    /// Of a cloud's machines, where it is in none of the other classes.
    Metadata,
    Multicast,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
        })
    }
}

/// Metadata services with an address of their own: Azure's, and Oracle's second one. Everybody else's is link-local, private or in
/// the shared range.
const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// The class that makes an address out of reach; none for one that may be reached.
pub fn refused_class(address: IpAddr) -> Option<AddressClass> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<AddressClass> {
    let [first, second, ..] = address.octets();
    match () {
        // Linux takes the whole network for the machine itself or for nobody.
        () if first == 0 => Some(AddressClass::Unspecified),
        () if address.is_loopback() => Some(AddressClass::Loopback),
        () if address.is_private() || (first == 100 && second & 0xc0 == 64) => Some(AddressClass::Private),
        () if address.is_link_local() => Some(AddressClass::LinkLocal),
        () if METADATA.contains(&address) => Some(AddressClass::Metadata),
        () if address.is_multicast() || address.is_broadcast() => Some(AddressClass::Multicast),
        () => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<AddressClass> {
    let segments = address.segments();
    match () {
        () if address.is_unspecified() => Some(AddressClass::Unspecified),
        () if address.is_loopback() => Some(AddressClass::Loopback),
        // Also the deprecated site-local range, and the local translators' (RFC 8215).
        () if address.is_unique_local() || segments[0] & 0xffc0 == 0xfec0 || segments[..3] == [0x64, 0xff9b, 1] => {
            Some(AddressClass::Private)
        }
        () if address.is_unicast_link_local() => Some(AddressClass::LinkLocal),
        () if address.is_multicast() => Some(AddressClass::Multicast),
        () => embedded(address).into_iter().find_map(refused_v4),
    }
}

/// The IPv4 addresses that an IPv6 address stands for: something on the way may send the packet on to them.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let last = v4(segments[6], segments[7]);
    match segments {
        // Mapped, and the deprecated compatible form.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => vec![last],
        // Translated (RFC 2765), and through the well-known translator (RFC 6052).
        [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last],
        // 6to4.
        [0x2002, high, low, ..] => vec![v4(high, low)],
        // Teredo: the server, and the client in one's complement.
        [0x2001, 0, high, low, ..] => vec![v4(high, low), v4(!segments[6], !segments[7])],
        // ISATAP.
        [.., 0 | 0x0200, 0x5efe, _, _] => vec![last],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_refused_in_every_form_and_special_ranges_are_not() {
        let refused = [
            ("0.0.0.0", AddressClass::Unspecified),
            ("0.1.2.3", AddressClass::Unspecified),
            ("127.0.0.1", AddressClass::Loopback),
            ("127.255.0.7", AddressClass::Loopback),
            ("10.255.255.53", AddressClass::Private),
            ("172.31.0.1", AddressClass::Private),
            ("192.168.1.1", AddressClass::Private),
            ("100.64.0.1", AddressClass::Private),
            ("100.100.100.200", AddressClass::Private),
            ("169.254.169.254", AddressClass::LinkLocal),
            ("168.63.129.16", AddressClass::Metadata),
            ("192.0.0.192", AddressClass::Metadata),
            ("224.0.0.1", AddressClass::Multicast),
            ("255.255.255.255", AddressClass::Multicast),
            ("::", AddressClass::Unspecified),
            ("::1", AddressClass::Loopback),
            ("::127.0.0.1", AddressClass::Loopback),
            ("::ffff:127.0.0.1", AddressClass::Loopback),
            ("::ffff:0:127.0.0.1", AddressClass::Loopback),
            ("::ffff:10.0.0.1", AddressClass::Private),
            ("64:ff9b::169.254.169.254", AddressClass::LinkLocal),
            ("64:ff9b:1::8.8.8.8", AddressClass::Private),
            ("2002:7f00:1::1", AddressClass::Loopback),
            ("2001:0:a00:1::1", AddressClass::Private),
            ("2001:0:808:808:0:0:80ff:fffe", AddressClass::Loopback),
            ("2600::5efe:192.168.0.1", AddressClass::Private),
            ("2600::200:5efe:192.168.0.1", AddressClass::Private),
            ("fc00::1", AddressClass::Private),
            ("fd00:ec2::254", AddressClass::Private),
            ("fec0::1", AddressClass::Private),
            ("fe80::1", AddressClass::LinkLocal),
            ("ff02::1", AddressClass::Multicast),
        ];
        for (address, class) in refused {
            assert_eq!(refused_class(address.parse().unwrap()), Some(class), "{address}");
        }
        let reachable = [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.80",
            "240.0.0.1",
            "2606:4700::1",
            "2001:db8::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "::ffff:203.0.113.80",
        ];
        for address in reachable {
            assert_eq!(refused_class(address.parse().unwrap()), None, "{address}");
        }
    }
}
