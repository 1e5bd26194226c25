//! Where a request comes from, as the gateway tells the services.
//!
//! A client may claim any address; the gateway takes every such claim off and writes what it found out itself.
//! Services are reached through it alone, so that what stands in the header is the gateway's word.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName};

/// The header that carries the client's address from the gateway to a service: one address, no list.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address as the gateway wrote it. None of a request that did not come through one.
pub fn client_address(headers: &HeaderMap) -> Option<IpAddr> {
    let address: IpAddr = headers.get(FORWARDED_FOR)?.to_str().ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// What is counted as one client: of IPv6 the network of 64 bits, since whoever has one address there has all
/// of them.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client() {
        let counted = |text: &str| network(text.parse().unwrap());
        assert_eq!(counted("2001:db8:1:2::1"), counted("2001:db8:1:2:ffff::9"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("192.0.2.7").to_string(), "192.0.2.7");
    }

    #[test]
    fn the_gateways_word_is_one_address() {
        let told = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, value.parse().unwrap());
            client_address(&headers).map(|address| address.to_string())
        };
        assert_eq!(told("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(told("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(told("192.0.2.7, 192.0.2.8"), None);
        assert_eq!(client_address(&HeaderMap::new()), None);
    }
}
