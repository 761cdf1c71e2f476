//! A client's connection, between the socket and the server's HTTP parser: one request at a time, each within its time,
//! and a problem document for each that can't be read.
//!
//! The parser (`actix_http::h1`) does three things that it has no setting or hook for:
//!
//! - It reads on while a request is being answered (pipelining, RFC 9112, 9.3.2), and then writes that answer as if it
//!   were the last request's: without its body where that one is a HEAD. So it gets the next head only when the
//!   request before is answered.
//! - It answers a request that it can't read by itself, without a body. No answer of a handler is on its way then, so
//!   whatever it writes is its own, and can be replaced.
//! - It waits for ever for the rest of a head, except for the first. So a late head is made one that can't be read.

pub(crate) mod end_log; // Connections that end badly: counted, rarely logged.
pub(crate) mod exchange; // What a connection and its answers tell each other.
mod refusal; // The document in place of an empty answer.
mod request_head; // Where a request's head ends.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::web::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy, sink};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use self::exchange::Exchange;
use self::refusal::Refusal;
use self::request_head::RequestHead;

/// How long a refused client may go on sending: if the socket were closed with unread bytes, the system would reset
/// the connection, and the client could lose the answer (RFC 9112, 9.6).
const LINGER_LIMIT: Duration = Duration::from_secs(2);

/// For a request's head to arrive: a client that is slower is broken, or means harm.
pub(crate) const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// What no head may contain: the parser ends the connection, after all answers that are on their way.
const UNREADABLE: &[u8] = b"\0";

/// What the parser reads from and writes to.
pub(crate) struct Connection {
    stream: Rc<RefCell<TcpStream>>,
    exchange: Rc<Exchange>,

    head: RequestHead,
    /// Read, but behind the end of a head that isn't answered yet: less than the parser's buffer.
    held: BytesMut,
    /// A head was handed on just now: the parser gets to see it before there is more.
    pauses: bool,
    /// Runs while a head is incomplete.
    late: Option<Pin<Box<Sleep>>>,

    /// Bytes at the start of the parser's output that it has offered already.
    offered: usize,
    refusal: Option<Refusal>,
}

impl Connection {
    pub(crate) fn new(stream: &Rc<RefCell<TcpStream>>, exchange: &Rc<Exchange>) -> Self {
        Self {
            stream: Rc::clone(stream),
            exchange: Rc::clone(exchange),
            head: RequestHead::new(),
            held: BytesMut::new(),
            pauses: false,
            late: None,
            offered: 0,
            refusal: None,
        }
    }

    pub(crate) fn exchange(&self) -> Rc<Exchange> {
        Rc::clone(&self.exchange)
    }

    /// Reads from the socket, or what was held, but not beyond the end of a head.
    fn poll_next_head(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            let before = buffer.filled().len();
            let read = Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, buffer);
            if read.is_pending() && self.head.is_incomplete() {
                return self.poll_late(cx, buffer);
            }
            ready!(read)?;
            let arrived = &buffer.filled()[before..];
            if let Some(end) = self.head.end(arrived) {
                (self.pauses, self.late) = (true, None);
                self.held.extend_from_slice(&arrived[end..]);
                buffer.set_filled(before + end);
            }
        } else {
            let most = self.held.len().min(buffer.remaining());
            let end = self.head.end(&self.held[..most]);
            self.pauses = end.is_some();
            buffer.put_slice(&self.held.split_to(end.unwrap_or(most)));
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the connection where the rest of a head doesn't come.
    fn poll_late(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.late.get_or_insert_with(|| Box::pin(sleep(HEAD_LIMIT))).as_mut().poll(cx));
        // What stands behind a head may be its body, to which nothing must be added.
        if self.exchange.had_body() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.exchange.late.set(true);
        buffer.put_slice(UNREADABLE);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let pauses = mem::take(&mut this.pauses);
        if !pauses && !this.exchange.holds_next() {
            return this.poll_next_head(cx, buffer);
        }
        // The parser reads until nothing is there. What comes later wakes it by itself; what is there already wakes
        // it as soon as it may have it.
        if this.held.is_empty() {
            ready!(this.stream.borrow().poll_read_ready(cx))?;
        }
        if this.exchange.holds_next() {
            this.exchange.wake_reader(cx.waker());
        } else {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Connection {
    /// The parser offers all of its output each time, until it is taken.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, output: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut stream = this.stream.borrow_mut();
        let is_answer = this.exchange.take_answered();
        if !is_answer && this.refusal.is_none() {
            let own = output.get(this.offered..).unwrap_or_default();
            this.refusal = Refusal::in_place_of(own, this.head.request_line_bytes(), this.exchange.late.get());
        }
        let answers = match &mut this.refusal {
            None => output,
            Some(_) if this.offered > 0 => &output[..this.offered],
            Some(refusal) => {
                ready!(refusal.poll_write(Pin::new(&mut *stream), cx))?;
                this.exchange.refused.set(true);
                return Poll::Ready(Ok(output.len()));
            }
        };
        this.offered = answers.len();
        let written = ready!(Pin::new(&mut *stream).poll_write(cx, answers))?;
        this.offered -= written;
        Poll::Ready(Ok(written))
    }

    /// The parser flushes when all of its output is taken: what comes next is new.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.exchange.take_answered();
        Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)
    }
}

/// Lets a refused client read its answer before the connection is gone.
pub(crate) async fn linger(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let _ = timeout(LINGER_LIMIT, copy(&mut stream, &mut sink())).await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::io::ErrorKind;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Poll;

    use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::{Connection, UNREADABLE};
    use crate::http::connection::exchange::Exchange;

    const HEAD: &[u8] = b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n";
    const OWN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\
        date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";

    async fn connected() -> (Connection, Rc<Exchange>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, exchange) = (Rc::new(RefCell::new(listener.accept().await.unwrap().0)), Rc::default());
        (Connection::new(&stream, &exchange), exchange, client)
    }

    #[tokio::test]
    async fn the_next_request_is_read_once_the_one_before_is_answered() {
        let (mut connection, exchange, mut client) = connected().await;
        client.write_all(&HEAD.repeat(3)).await.unwrap();
        let mut buffer = [0; 1_000];
        for _ in 0..3 {
            let read = connection.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..read], HEAD);
            let answering = exchange.begin(false);
            let mut next = pin!(connection.read(&mut buffer));
            for _ in 0..3 {
                assert!(poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await.is_pending());
            }
            drop(answering);
        }
    }

    #[tokio::test]
    async fn a_request_body_and_what_stands_behind_it_wait_for_the_answer() {
        let (mut connection, exchange, mut client) = connected().await;
        client.write_all(&[HEAD, b"a body", HEAD].concat()).await.unwrap();
        let mut buffer = [0; 1_000];
        assert_eq!(connection.read(&mut buffer).await.unwrap(), HEAD.len());
        let answering = exchange.begin(true);
        let mut next = pin!(connection.read(&mut buffer));
        assert!(poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await.is_pending());
        drop(answering);
        assert_eq!(next.await.unwrap(), b"a body".len() + HEAD.len());
    }

    #[tokio::test]
    async fn the_rest_of_a_head_is_waited_for_but_not_for_ever() {
        let (mut connection, exchange, mut client) = connected().await;
        client.write_all(&[HEAD, b"GET"].concat()).await.unwrap();
        let mut buffer = [0; 1_000];
        for expected in [HEAD, b"GET", UNREADABLE] {
            let read = connection.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..read], expected);
        }
        assert!(exchange.late.get());
    }

    #[tokio::test]
    async fn nothing_is_added_to_a_body_that_does_not_come() {
        let (mut connection, exchange, mut client) = connected().await;
        client.write_all(&[HEAD, b"a"].concat()).await.unwrap();
        let mut buffer = [0; 1_000];
        assert_eq!(connection.read(&mut buffer).await.unwrap(), HEAD.len());
        drop(exchange.begin(true));
        assert_eq!(connection.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(connection.read(&mut buffer).await.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_document_follows_the_answers_before_it_however_slowly_they_are_taken() {
        let (mut connection, exchange, mut client) = connected().await;
        // More than fits into the buffers on the way, and it ends like an answer of the parser's own.
        let answer = [vec![b'a'; 20_000_000], OWN.to_vec()].concat();
        let mut output = answer.clone();
        let answering = exchange.begin(false);
        let mut offer = async |output: &mut Vec<u8>| {
            match poll_fn(|cx| Poll::Ready(pin!(&mut connection).poll_write(cx, output))).await {
                Poll::Ready(taken) => drop(output.drain(..taken.unwrap())),
                Poll::Pending => return false,
            }
            true
        };
        while offer(&mut output).await {}
        drop(answering);
        assert!(!offer(&mut output).await);
        output.extend_from_slice(OWN);

        let mut received = Vec::new();
        let write = async move {
            while !output.is_empty() {
                let taken = poll_fn(|cx| pin!(&mut connection).poll_write(cx, &output)).await.unwrap();
                output.drain(..taken);
            }
            drop(connection);
        };
        tokio::join!(write, async { client.read_to_end(&mut received).await.unwrap() });
        assert!(received.starts_with(&answer));
        let document = str::from_utf8(&received[answer.len()..]).unwrap();
        assert!(document.starts_with("HTTP/1.1 400 ") && document.ends_with("}"), "{document}");
        assert!(exchange.refused.get());
    }
}
