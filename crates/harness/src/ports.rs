//! Ports for servers: never the same one twice, among all tests that run on this machine.

use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;

/// Below what systems hand out for outgoing connections, so that none of those takes it away again.
const FIRST: u16 = 12_000;
const LAST: u16 = 31_998;

/// What this process has claimed: a UDP socket of the same number, which the system gives back whatever ends us.
static CLAIMED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// A TCP port of 127.0.0.1 that is free and stays this process' until it ends; so does the next higher one, which
/// Kafka's controller takes on some systems.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    let mut claimed = CLAIMED.lock().expect("no other test panicked while it claimed a port");
    // Processes begin in different places, so that they seldom try the same one.
    let pairs = (LAST - FIRST) / 2;
    let start = u16::try_from((std::process::id() * 97 + u32::try_from(claimed.len()).unwrap()) % u32::from(pairs));
    let start = start.expect("a remainder is below its divisor");
    for pair in (start..pairs).chain(0..start) {
        let port = FIRST + 2 * pair;
        let Ok(claim) = UdpSocket::bind(("127.0.0.1", port)) else { continue };
        if [port, port + 1].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            claimed.push(claim);
            return port;
        }
    }
    panic!("no port from {FIRST} to {LAST} is free");
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_port_is_given_twice() {
        assert_ne!(super::free_port(), super::free_port());
    }
}
