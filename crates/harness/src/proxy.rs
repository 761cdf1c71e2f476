//! A TCP proxy on any link: cuts it, swallows everything, delays, holds back, and mends it, on command.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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

/// Until it listens, or doesn't: it takes microseconds.
const LISTEN_LIMIT: Duration = Duration::from_secs(10);

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
    /// Keeps each piece that contains this, and what comes behind it, until the link is another one.
    Holding(&'static str),
}

/// The link as it is now, and how often it was cut: a cut that is mended at once is one for every connection none the
/// less.
#[derive(Clone)]
struct State {
    link: Link,
    cuts: u64,
    /// `host:port`.
    target: String,
    /// How many pieces were kept since it was told to.
    kept: Arc<AtomicUsize>,
}

/// A proxy in front of one server.
pub struct Proxy {
    /// TCP port on 127.0.0.1 to connect to.
    pub port: u16,
    state: watch::Sender<State>,
    listener: JoinHandle<()>,
}

impl Proxy {
    /// A whole link to `target` (`host:port`).
    pub fn to(target: &str) -> Self {
        Self::listening_on(free_port(), target)
    }

    /// The same, on a port that the test has and that nobody listens on.
    pub fn listening_on(port: u16, target: &str) -> Self {
        let state = State { link: Link::Whole, cuts: 0, target: target.to_owned(), kept: Arc::default() };
        let state = watch::Sender::new(state);
        let listener = spawn(serve(port, state.subscribe()));
        let proxy = Self { port, state, listener };
        proxy.listens(true);
        proxy
    }

    /// Closes every connection and refuses new ones, as if no server were there.
    pub fn cut(&self) {
        self.set(Link::Cut);
        self.listens(false);
    }

    /// From now on nothing passes, and nobody is told.
    pub fn black_hole(&self) {
        self.set(Link::BlackHole);
    }

    /// Delays each piece, in both directions.
    pub fn slow(&self, delay: Duration) {
        self.set(Link::Slow(delay));
    }

    /// Keeps, from now on, each piece that contains `mark`, and what comes behind it, until the link is mended.
    pub fn hold(&self, mark: &'static str) {
        self.state.borrow().kept.store(0, Ordering::Relaxed);
        self.set(Link::Holding(mark));
    }

    /// How many pieces have been kept since [`Proxy::hold`].
    pub fn kept(&self) -> usize {
        self.state.borrow().kept.load(Ordering::Relaxed)
    }

    /// Mends it. What fell into a black hole is lost, so its connections end.
    pub fn restore(&self) {
        if self.state.borrow().link == Link::BlackHole {
            self.cut();
        }
        self.set(Link::Whole);
        self.listens(true);
    }

    /// Leads to another server from now on, as an address does that moves with a failover; what is there ends.
    pub fn retarget(&self, target: &str) {
        self.cut();
        self.redirect(target);
        self.restore();
    }

    /// New connections lead to another server from now on; what is there stays where it is.
    pub fn redirect(&self, target: &str) {
        self.state.send_modify(|state| target.clone_into(&mut state.target));
    }

    fn set(&self, link: Link) {
        self.state.send_modify(|state| {
            state.link = link;
            state.cuts += u64::from(link == Link::Cut);
        });
    }

    /// Waits until it takes connections, or takes none.
    fn listens(&self, expected: bool) {
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() != expected {
            assert!(begun.elapsed() < LISTEN_LIMIT, "the proxy on port {} does as it is told", self.port);
            std::thread::sleep(LISTEN_PAUSE);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.set(Link::Cut);
    }
}

async fn serve(port: u16, mut state: watch::Receiver<State>) {
    loop {
        let Ok(cuts) = state.wait_for(|state| state.link != Link::Cut).await.map(|state| state.cuts) else { return };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is this process'");
        tokio::select! {
            () = accept(&listener, cuts, &state) => {}
            () = cut_after(cuts, state.clone()) => {}
        }
    }
}

/// Waits for a cut that is not among the first `cuts`.
async fn cut_after(cuts: u64, mut state: watch::Receiver<State>) {
    // Without a sender, the proxy is gone, which cuts as well.
    let _ = state.wait_for(|state| state.cuts != cuts).await;
}

async fn accept(listener: &TcpListener, cuts: u64, state: &watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = state.clone();
        spawn(async move {
            tokio::select! {
                // Whichever side closed, the other one sees it by the drop of both.
                _ = pass(client, &state) => {}
                () = cut_after(cuts, state.clone()) => {}
            }
        });
    }
}

async fn pass(client: TcpStream, state: &watch::Receiver<State>) -> io::Result<()> {
    let target = state.borrow().target.clone();
    let server = TcpStream::connect(target).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(pump(from_client, to_server, state), pump(from_server, to_client, state)).map(drop)
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &watch::Receiver<State>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        let link = state.borrow().link;
        if link == Link::BlackHole {
            // A piece is missing, so nothing that comes later may be passed on, until the connection is cut.
            return pending().await;
        }
        if length == 0 {
            return to.shutdown().await;
        }
        match link {
            Link::Slow(delay) => sleep(delay).await,
            Link::Holding(mark) if buffer[..length].windows(mark.len()).any(|bytes| bytes == mark.as_bytes()) => {
                state.borrow().kept.fetch_add(1, Ordering::Relaxed);
                // Without a sender, the proxy is gone.
                let _ = state.clone().wait_for(|state| state.link != link).await;
            }
            _ => {}
        }
        to.write_all(&buffer[..length]).await?;
    }
}
