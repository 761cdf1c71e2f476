//! Addresses: what a host, a list of brokers and an endpoint may look like, and how the clients want them written.
//!
//! A scheme, a path or a blank in the wrong place is found at the start: a client would only never get there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::definition::Text;

/// A server that is reached by TCP; the client gets an IPv6 address without brackets.
pub(super) const HOST: Text =
    Text { limits: "host", expected: "a host name or an address, without scheme, port, path or blanks", parse: host };

/// PostgreSQL, which also listens on a Unix socket.
pub(super) const HOST_OR_FOLDER: Text = Text {
    limits: "host, or folder of a socket",
    expected: "a host name, an address, or the folder of a Unix socket, without scheme, port or blanks",
    parse: |text| if text.starts_with('/') { Some(text.to_owned()) } else { host(text) },
};

/// Where to listen; the server gets an IPv6 address without brackets.
pub(super) const BIND_ADDRESS: Text = Text {
    limits: "address",
    expected: "an IP address of this machine, or `localhost`",
    // Any other name may be one of another machine; what it stands for would be known only while running.
    parse: |text| host(text).filter(|host| host == "localhost" || is_ip_address(host)),
};

/// Kafka's brokers; the client gets them without blanks, IPv6 addresses in brackets.
pub(super) const BROKERS: Text = Text {
    limits: "`host:port`, comma-separated",
    expected: "a comma-separated list of host:port, without schemes or paths",
    parse: |list| {
        let brokers: Option<Vec<_>> = list.split(',').map(|broker| host_and_port(broker.trim())).collect();
        Some(brokers?.join(","))
    },
};

/// A store behind HTTP.
pub(super) const ENDPOINT: Text = Text {
    limits: "`http(s)://host:port`",
    expected: "http://host:port or https://host:port, without path, user or blanks",
    parse: |text| {
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let address = host_and_port(rest).or_else(|| host(rest).map(|host| bracketed(&host)))?;
        ["http", "https"].contains(&scheme).then(|| format!("{scheme}://{address}"))
    },
};

/// A host without brackets.
fn host(text: &str) -> Option<String> {
    let unbracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_right = match unbracketed {
        Some(inside) => is_ipv6_address(inside),
        None => is_ip_address(text) || is_name(text),
    };
    is_right.then(|| unbracketed.unwrap_or(text).to_owned())
}

/// `host:port`, with brackets around an IPv6 address whether it had them or not: what follows the last colon is the port.
fn host_and_port(text: &str) -> Option<String> {
    let (name, port) = text.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    Some(format!("{}:{port}", bracketed(&host(name)?)))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn is_ip_address(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || is_ipv6_address(text)
}

/// With or without a zone, such as `fe80::1%eth0` (RFC 4007 section 11).
fn is_ipv6_address(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    let is_zone = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    is_zone && address.parse::<Ipv6Addr>().is_ok()
}

/// A host name as RFC 1123 section 2.1 has it, and with the underscores that containers' names may bear.
fn is_name(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // No top-level domain is a number: `10.0.0` is an address with a part missing.
    let is_number = labels.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    labels.len() <= 253 && labels.split('.').all(is_label) && !is_number
}

/// Where a client on this machine reaches what listens on `bind`, an address or `localhost`.
pub(crate) fn reachable(bind: &str) -> &str {
    match bind.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1",
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1",
        _ => bind,
    }
}
