//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{HeaderMap, request::Parts};
use tertulia_contracts::address::FORWARDED_FOR;

/// The client's address: the peer's, unless the peer is a trusted proxy; then the last of the addresses the
/// proxies noted that is not a proxy's itself. What stands before it the client may have made up.
pub(crate) fn client_address(parts: &Parts, trusted_proxies: &[IpAddr]) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let peer = peer.ip().to_canonical();
    if !trusted_proxies.contains(&peer) {
        return Some(peer);
    }
    let noted = noted_addresses(&parts.headers).into_iter().rev();
    Some(
        noted
            .take_while(Option::is_some)
            .flatten()
            .find(|noted| !trusted_proxies.contains(noted))
            .unwrap_or(peer),
    )
}

/// In the order they were noted; none for what is not an address, since behind that nothing can be believed.
fn noted_addresses(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(FORWARDED_FOR).into_iter().map(|value| value.to_str().unwrap_or("?"));
    let entries = values.flat_map(|value| value.split(','));
    entries.map(|entry| entry.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())).collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn address(peer: &str, noted: &[&str], trusted: &[&str]) -> String {
        let mut request = Request::builder();
        for value in noted {
            request = request.header(FORWARDED_FOR, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let peer: IpAddr = peer.parse().unwrap();
        parts.extensions.insert(ConnectInfo(SocketAddr::new(peer, 1)));
        let trusted: Vec<IpAddr> = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
        client_address(&parts, &trusted).unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_noted_itself() {
        assert_eq!(address("203.0.113.9", &["1.2.3.4"], &[]), "203.0.113.9");
        assert_eq!(address("203.0.113.9", &["1.2.3.4"], &["10.0.0.1"]), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &["6.6.6.6, 1.2.3.4"], &["10.0.0.1"]), "1.2.3.4");
        assert_eq!(
            address("10.0.0.1", &["6.6.6.6", "1.2.3.4,10.0.0.2"], &["10.0.0.1", "10.0.0.2"]),
            "1.2.3.4"
        );
        assert_eq!(address("10.0.0.1", &["1.2.3.4, nonsense"], &["10.0.0.1"]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &[], &["10.0.0.1"]), "10.0.0.1");
        assert_eq!(address("::ffff:10.0.0.1", &["1.2.3.4"], &["10.0.0.1"]), "1.2.3.4");
    }
}
