//! Which addresses may be connected to: pure decisions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Blocks of IPv4 that are not the public Internet: the IANA registry of special-purpose
/// addresses, multicast, and the one public address at which a large cloud keeps its metadata.
const SPECIAL_V4: &[(&str, [u8; 4], u8)] = &[
    ("this host", [0, 0, 0, 0], 8),
    ("private", [10, 0, 0, 0], 8),
    ("shared by carriers", [100, 64, 0, 0], 10),
    ("loopback", [127, 0, 0, 0], 8),
    ("metadata of Azure", [168, 63, 129, 16], 32),
    ("link-local", [169, 254, 0, 0], 16),
    ("private", [172, 16, 0, 0], 12),
    ("protocol assignments", [192, 0, 0, 0], 24),
    ("documentation", [192, 0, 2, 0], 24),
    ("6to4 relays", [192, 88, 99, 0], 24),
    ("private", [192, 168, 0, 0], 16),
    ("benchmarks", [198, 18, 0, 0], 15),
    ("documentation", [198, 51, 100, 0], 24),
    ("documentation", [203, 0, 113, 0], 24),
    ("multicast", [224, 0, 0, 0], 4),
    ("reserved, broadcast", [240, 0, 0, 0], 4),
];

/// All of IPv6 that is handed out for the public Internet; unique local, link-local, multicast,
/// loopback and all else lie outside.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks within it that are special all the same. 6to4 and Teredo wrap IPv4 addresses and are
/// out of use: whoever names one today wants to get around a guard.
const SPECIAL_V6: &[(&str, Ipv6Addr, u8)] = &[
    ("protocol assignments, Teredo", Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    ("documentation", Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    ("6to4", Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    ("documentation", Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The well-known prefix of NAT64, by which IPv6-only networks reach IPv4.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Whether an address belongs to the public Internet. Addresses that wrap an IPv4 address are
/// judged by it, where the wrapping is still in use, and refused where it is not.
pub fn is_public(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The address that is really connected to.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(mapped) = v6.to_ipv4_mapped() {
        return IpAddr::V4(mapped);
    }
    if within_v6(v6, NAT64) { IpAddr::V4(last_four(v6)) } else { address }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(_, base, bits)| within_v4(address, *base, *bits))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    within_v6(address, GLOBAL_V6)
        && !SPECIAL_V6.iter().any(|(_, base, bits)| within_v6(address, (*base, *bits)))
        && isatap(address).is_none_or(is_public_v4)
}

/// The IPv4 address in an interface identifier of ISATAP (RFC 5214), which any prefix can have.
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    (segments[4] & !0x0200 == 0 && segments[5] == 0x5efe).then(|| last_four(address))
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn within_v4(address: Ipv4Addr, base: [u8; 4], bits: u8) -> bool {
    Ipv4Net::new(base.into(), bits).is_ok_and(|net| net.contains(&address))
}

fn within_v6(address: Ipv6Addr, (base, bits): (Ipv6Addr, u8)) -> bool {
    Ipv6Net::new(base, bits).is_ok_and(|net| net.contains(&address))
}

/// A network that may be connected to although it is not public: `10.1.0.0/16`, or with a port
/// `10.1.2.3:9000`, `10.1.0.0/16:9000`, `[fd00::/8]:9000`.
///
/// It names addresses, never names: a name can be pointed elsewhere by whoever has its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowedNetwork {
    network: IpNet,
    /// Without one, the ports that are permitted anyway.
    port: Option<u16>,
}

/// A text is no [`AllowedNetwork`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a network such as 10.1.0.0/16, 10.1.2.3:9000, fd00::/8 or [fd00::1]:9000")]
pub struct AllowedNetworkError;

impl FromStr for AllowedNetwork {
    type Err = AllowedNetworkError;

    fn from_str(text: &str) -> Result<Self, AllowedNetworkError> {
        let (network, port) = match text.strip_prefix('[') {
            Some(rest) => match rest.split_once(']').ok_or(AllowedNetworkError)? {
                (network, "") => (network, None),
                (network, port) => {
                    (network, Some(port.strip_prefix(':').ok_or(AllowedNetworkError)?))
                }
            },
            // More than one colon is an IPv6 address without a port.
            None if text.matches(':').count() == 1 => text
                .split_once(':')
                .map(|(network, port)| (network, Some(port)))
                .unwrap_or_default(),
            None => (text, None),
        };
        let single = || network.parse::<IpAddr>().map(IpNet::from);
        let network = network.parse().or_else(|_| single()).map_err(|_| AllowedNetworkError)?;
        let port = port.map(str::parse).transpose().map_err(|_| AllowedNetworkError)?;
        Ok(Self { network, port })
    }
}

/// What may be connected to: public addresses at certain ports, and networks that were allowed.
#[derive(Debug, Clone)]
pub struct Guard {
    ports: Vec<u16>,
    allowed: Vec<AllowedNetwork>,
}

impl Guard {
    /// A guard that permits public addresses at these ports, and these networks.
    pub fn new(ports: Vec<u16>, allowed: Vec<AllowedNetwork>) -> Self {
        Self { ports, allowed }
    }

    /// Whether there is any address with this port that may be connected to.
    pub fn permits_port(&self, port: u16) -> bool {
        self.ports.contains(&port) || self.allowed.iter().any(|a| a.port == Some(port))
    }

    /// Whether this address may be connected to at this port.
    pub fn permits(&self, address: IpAddr, port: u16) -> bool {
        let usual = self.ports.contains(&port);
        if usual && is_public(address) {
            return true;
        }
        let address = unwrapped(address);
        self.allowed.iter().any(|allowed| {
            allowed.port.map_or(usual, |only| only == port) && allowed.network.contains(&address)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn special_addresses_are_not_public() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "::ffff:10.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "2a00:1450:4001:800::5efe:7f00:1",
            "2a00:1450:4001:800:200:5efe:a00:1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip(special)), "{special}");
        }
    }

    #[test]
    fn the_rest_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450:4001:800::5efe:808:808",
        ] {
            assert!(is_public(ip(public)), "{public}");
        }
    }

    /// An independent reading of the same rules: the standard library's, as far as it is stable.
    #[test]
    fn the_standard_library_agrees() {
        for step in 0..=u32::from(u16::MAX) {
            for low in [0, 1, 0x8000, 0xffff] {
                let address = Ipv4Addr::from(step << 16 | low);
                let special = address.is_private()
                    || address.is_loopback()
                    || address.is_link_local()
                    || address.is_multicast()
                    || address.is_broadcast()
                    || address.is_unspecified()
                    || address.is_documentation();
                assert!(!special || !is_public(IpAddr::V4(address)), "{address}");
                let mapped = IpAddr::V6(address.to_ipv6_mapped());
                assert_eq!(is_public(mapped), is_public(IpAddr::V4(address)), "{address}");
                let compatible = u128::from(u32::from(address));
                assert!(!is_public(IpAddr::V6(compatible.into())), "::{address}");
            }
            let address = Ipv6Addr::from(u128::from(step) << 112 | 1);
            let special = address.is_loopback()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local();
            assert!(!special || !is_public(IpAddr::V6(address)), "{address}");
        }
    }

    #[test]
    fn networks_are_read_with_and_without_a_port() {
        for (text, inside, outside) in [
            ("10.1.0.0/16", ("10.1.2.3", 80), ("10.2.0.1", 80)),
            ("10.1.2.3", ("10.1.2.3", 443), ("10.1.2.4", 443)),
            ("10.1.2.3:9000", ("10.1.2.3", 9000), ("10.1.2.3", 80)),
            ("10.1.0.0/16:9000", ("10.1.9.9", 9000), ("10.1.9.9", 9001)),
            ("fd00::/8", ("fd00::1", 80), ("fc00::1", 80)),
            ("[fd00::1]:9000", ("fd00::1", 9000), ("fd00::1", 80)),
            ("[fd00::/8]:9000", ("fd12::1", 9000), ("fe80::1", 9000)),
            ("10.0.0.0/8", ("::ffff:10.0.0.1", 80), ("10.0.0.1", 22)),
        ] {
            let guard = Guard::new(vec![80, 443], vec![text.parse().unwrap()]);
            assert!(guard.permits(ip(inside.0), inside.1), "{text}: {inside:?}");
            assert!(!guard.permits(ip(outside.0), outside.1), "{text}: {outside:?}");
        }
        for bad in ["", "example.com", "10.0.0.0/33", "10.0.0.1:", "10.0.0.1:99999", "[::1", "::1]"]
        {
            assert_eq!(bad.parse::<AllowedNetwork>(), Err(AllowedNetworkError), "{bad}");
        }
    }

    #[test]
    fn ports_are_permitted_one_by_one() {
        let guard = Guard::new(vec![80, 443], vec!["10.0.0.1:9000".parse().unwrap()]);
        assert!(guard.permits(ip("8.8.8.8"), 443) && !guard.permits(ip("8.8.8.8"), 9000));
        assert!(!guard.permits(ip("10.0.0.1"), 443));
        assert!(guard.permits_port(9000) && !guard.permits_port(22) && !guard.permits_port(0));
    }
}
