//! A TCP proxy on any link: cuts it, swallows everything, delays, and mends it, on command.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::background::spawn;
use crate::ports::free_port;

/// Between two looks whether it listens.
const LISTEN_PAUSE: Duration = Duration::from_millis(1);

/// What the link does to every connection, old and new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Passes on.
    Whole,
    /// Closes what is there, refuses what comes.
    Cut,
    /// Takes everything and passes nothing on, as a firewall that drops packets does.
    BlackHole,
    /// Passes each piece on after a time.
    Slow(Duration),
}

/// A proxy in front of one server.
pub struct Proxy {
    /// TCP port on 127.0.0.1 to connect to.
    pub port: u16,
    link: watch::Sender<Link>,
    listener: JoinHandle<()>,
}

impl Proxy {
    /// A whole link to `target` (`host:port`).
    pub fn to(target: &str) -> Self {
        Self::listening_on(free_port(), target)
    }

    /// The same, on a port that the test has and that nobody listens on.
    pub fn listening_on(port: u16, target: &str) -> Self {
        let link = watch::Sender::new(Link::Whole);
        let listener = spawn(serve(port, target.to_owned(), link.subscribe()));
        let proxy = Self { port, link, listener };
        proxy.listens(true);
        proxy
    }

    /// Closes every connection and refuses new ones, as if no server were there.
    pub fn cut(&self) {
        self.link.send_replace(Link::Cut);
        self.listens(false);
    }

    /// From now on nothing passes, and nobody is told.
    pub fn black_hole(&self) {
        self.link.send_replace(Link::BlackHole);
    }

    /// Delays each piece, in both directions.
    pub fn slow(&self, delay: Duration) {
        self.link.send_replace(Link::Slow(delay));
    }

    /// Mends it. What fell into a black hole is lost, so its connections end.
    pub fn restore(&self) {
        if *self.link.borrow() == Link::BlackHole {
            self.cut();
        }
        self.link.send_replace(Link::Whole);
        self.listens(true);
    }

    /// Waits until it takes connections, or takes none.
    fn listens(&self, expected: bool) {
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() != expected {
            std::thread::sleep(LISTEN_PAUSE);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.link.send_replace(Link::Cut);
    }
}

async fn serve(port: u16, target: String, mut link: watch::Receiver<Link>) {
    loop {
        if link.wait_for(|link| *link != Link::Cut).await.is_err() {
            return;
        }
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is this process'");
        let mut until_cut = link.clone();
        tokio::select! {
            () = accept(&listener, &target, &link) => {}
            _ = until_cut.wait_for(|link| *link == Link::Cut) => {}
        }
    }
}

async fn accept(listener: &TcpListener, target: &str, link: &watch::Receiver<Link>) {
    while let Ok((client, _)) = listener.accept().await {
        spawn(connection(client, target.to_owned(), link.clone()));
    }
}

async fn connection(client: TcpStream, target: String, link: watch::Receiver<Link>) {
    let mut until_cut = link.clone();
    let pass = async {
        let server = TcpStream::connect(&target).await?;
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(pump(from_client, to_server, link.clone()), pump(from_server, to_client, link))
    };
    tokio::select! {
        // Whichever side closed, the other one sees it by the drop of both.
        _ = pass => {}
        _ = until_cut.wait_for(|link| *link == Link::Cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut link: watch::Receiver<Link>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut swallowed = false;
    loop {
        let length = from.read(&mut buffer).await?;
        let now = *link.borrow_and_update();
        swallowed |= now == Link::BlackHole;
        if swallowed {
            // A piece is missing, so nothing that comes later may be passed on.
            link.wait_for(|link| *link == Link::Cut).await.map_err(io::Error::other)?;
        }
        if length == 0 {
            return to.shutdown().await;
        }
        if let Link::Slow(delay) = now {
            sleep(delay).await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
