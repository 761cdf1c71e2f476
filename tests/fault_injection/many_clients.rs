//! More clients than anybody wants.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::join_all;
use harness::process::raise_file_limit;
use harness::{Load, System, eventually, holds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::HEAL_LIMIT;
use crate::trial::Trial;

/// Clients of each kind; there are five kinds.
const CLIENTS: usize = 400;

/// The api gives a header 5 s to arrive; the machine may be busy.
const HEADER_LIMIT: Duration = Duration::from_secs(15);

/// Eight thousand requests are answered meanwhile, by a build without optimisation.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The api gives an answer 30 s to be read, or a part of it.
const UNREAD_LIMIT: Duration = Duration::from_secs(50);

/// What the api may take with them (measured: 270 MB). Most of it are answers that nobody reads: of 140 KB, each in a
/// buffer of 256 KB.
const MEMORY_LIMIT: u64 = 400_000_000;

/// Files that an api may have open: more than its connections to servers, fewer than the crowd's.
#[cfg(target_os = "linux")]
const FILES: u64 = 100;

/// How long an api has no file left.
#[cfg(target_os = "linux")]
const WITHOUT_FILES: Duration = Duration::from_secs(5);

const ONE: &[u8] = b"GET /cities/BGR HTTP/1.1\r\nHost: test\r\n\r\n";
const LARGE: &[u8] = b"GET /cities/USA HTTP/1.1\r\nHost: test\r\n\r\n";

/// Requests that a client sends before it reads an answer: more than the api takes at once.
const PIPELINED: usize = 20;

/// A client that is answered, or that the api gets rid of by itself.
type Client = Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test]
async fn two_thousand_connections_take_little_memory_and_others_are_served() {
    let mut system = System::start().await;
    raise_file_limit();
    let port = system.http.port;
    system.cached("USA", HEAL_LIMIT).await;
    let others = Load::reads(&system.http, 1, &[200]);

    let kinds: [fn(u16) -> Client; 4] = [
        |port| Box::pin(silent(port)),
        |port| Box::pin(slow(port)),
        |port| Box::pin(half_closed(port)),
        |port| Box::pin(pipelining(port)),
    ];
    let mut deaf_ones = Vec::new();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        deaf_ones.push(deaf(port).await);
        for kind in kinds {
            clients.spawn(kind(port));
        }
    }
    let all_are_there = others.done();
    clients.join_all().await;
    let memory = system.api.process().memory();
    assert!(memory < MEMORY_LIMIT, "the api takes {memory} bytes");
    assert!(others.done() > all_are_there, "nobody else is served");
    others.stop().await;
    eventually(UNREAD_LIMIT, "the connections of those who read nothing have ended", async || {
        let files = system.api.process().open_files();
        holds(files < CLIENTS / 4, files)
    })
    .await;
    drop(deaf_ones);
    system.whole_within(HEAL_LIMIT).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_api_that_has_no_file_left_says_so_and_serves_again() {
    let mut system = System::start().await;
    let trial = Trial::begin(&system).await;
    system.api.process().limit_files(FILES);
    let crowd = join_all((0..2 * FILES).map(|_| connect(system.http.port))).await;
    system.api.wait_log(HEAL_LIMIT, "Too many open files").await;
    trial.lasts(&mut system, WITHOUT_FILES).await;
    drop(crowd);
    trial.ends_well(&mut system).await;
}

async fn connect(port: u16) -> TcpStream {
    let connecting = timeout(HEAL_LIMIT, TcpStream::connect(("127.0.0.1", port))).await;
    connecting.expect("the api takes connections").expect("the api takes connections")
}

/// What the api answers until it closes.
async fn read_to_end(who: &str, limit: Duration, stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let ended = timeout(limit, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "a {who} client still waits after {} bytes", answer.len());
    String::from_utf8_lossy(&answer).into_owned()
}

/// Says nothing; the connection ends by itself.
async fn silent(port: u16) {
    read_to_end("silent", HEADER_LIMIT, &mut connect(port).await).await;
}

/// Sends one byte a second; the connection ends before the request does.
async fn slow(port: u16) {
    let mut stream = connect(port).await;
    for byte in ONE {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        if timeout(Duration::from_secs(1), stream.readable()).await.is_ok() {
            let answer = read_to_end("slow", HEADER_LIMIT, &mut stream).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
            return;
        }
    }
    panic!("{} bytes at one a second were waited for", ONE.len());
}

/// Closes its half before it reads.
async fn half_closed(port: u16) {
    let mut stream = connect(port).await;
    stream.write_all(ONE).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end("half-closed", ANSWER_LIMIT, &mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Sends many requests at once.
async fn pipelining(port: u16) {
    let mut stream = connect(port).await;
    stream.write_all(&ONE.repeat(PIPELINED)).await.unwrap();
    stream.shutdown().await.unwrap();
    let answers = read_to_end("pipelining", ANSWER_LIMIT, &mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), PIPELINED);
}

/// Asks for much, and reads nothing.
async fn deaf(port: u16) -> TcpStream {
    let mut stream = connect(port).await;
    stream.write_all(&LARGE.repeat(PIPELINED)).await.unwrap();
    stream
}
