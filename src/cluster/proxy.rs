//! Which connections go through a proxy. kube compares NO_PROXY with the proxy's own address, so
//! kjo decides: as Go's `golang.org/x/net/http/httpproxy`, which kubectl uses.

use std::net::IpAddr;

/// Whether NO_PROXY keeps this host (and port) from the proxy. Loopback is never proxied.
pub(super) fn excluded(host: &str, port: u16, no_proxy: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let ip: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(&host, ip, port, &entry.to_ascii_lowercase()))
}

fn matches(host: &str, ip: Option<IpAddr>, port: u16, entry: &str) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        return match (ip, network.parse(), bits.parse()) {
            (Some(ip), Ok(network), Ok(bits)) => contains(network, bits, ip),
            _ => false,
        };
    }
    // `name:port`, but not an IPv6 address.
    let entry = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') => match digits.parse::<u16>() {
            Ok(p) if p == port => name,
            Ok(_) | Err(_) => return false,
        },
        Some(_) | None => entry,
    };
    if let Some(ip) = ip {
        return entry.parse() == Ok(ip);
    }
    let domain = entry.trim_start_matches('*').trim_start_matches('.');
    let bare = !entry.starts_with(['.', '*']);
    (bare && host == domain) || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn contains(network: IpAddr, bits: u32, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            bits <= 32 && (u32::from(network) ^ u32::from(ip)).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            bits <= 128
                && (u128::from(network) ^ u128::from(ip))
                    .checked_shr(128 - bits)
                    .unwrap_or(0)
                    == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_as_go_does() {
        for (host, no_proxy, expected) in [
            ("api.example.com", "", false),
            ("api.example.com", "*", true),
            ("api.example.com", "example.com", true),
            ("example.com", "example.com", true),
            ("example.com", ".example.com", false),
            ("api.example.com", ".example.com", true),
            ("api.example.com", "*.example.com", true),
            ("badexample.com", "example.com", false),
            ("api.example.com", "foo, API.example.com:6443", true),
            ("api.example.com", "api.example.com:443", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("11.1.2.3", "0.0.0.0/0", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("[fd00::1]", "fd00::/8", true),
            ("10.1.2.3", "fd00::/8,10/8,/", false),
            ("127.0.0.1", "", true),
            ("localhost", "", true),
        ] {
            assert_eq!(excluded(host, 6443, no_proxy), expected, "{host} and {no_proxy:?}");
        }
    }
}
