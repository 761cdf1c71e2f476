//! The problem document for a request that never reached a route, as bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::MessageBody;
use actix_web::http::header::{CONNECTION, DATE};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};
use tokio::io::AsyncWrite;

use crate::http::problem::Problem;

/// The longest URI that the parser takes (`http::Uri`), in bytes. A longer one must be answered with 414 (RFC 9112, 3).
const URI_BYTES_MAX: usize = 65_534;

/// An answer that is written in place of the parser's own.
#[derive(Debug)]
pub(crate) struct Refusal {
    unwritten: Bytes,
}

impl Refusal {
    /// Puts a document in the place of an answer that the parser makes by itself, which is a head without a body.
    /// `None`: it is another one.
    pub(crate) fn in_place_of(own: &[u8], request_line_bytes: usize, is_late: bool) -> Option<Self> {
        let head = str::from_utf8(own).ok()?;
        let mut lines = head.split("\r\n");
        let problem = match lines.next()?.strip_prefix("HTTP/1.")?.get(1..5)? {
            " 408" => Problem::RequestTimeout,
            " 400" if is_late => Problem::RequestTimeout,
            " 400" | " 431" if request_line_bytes > URI_BYTES_MAX => Problem::UriTooLong,
            " 400" => Problem::MalformedRequest,
            " 431" => Problem::HeaderTooLarge,
            _ => return None,
        };
        let date = lines.find_map(|line| line.strip_prefix("date: "))?;
        Some(Self { unwritten: spelled(problem.error_response(), date)? })
    }

    pub(crate) fn poll_write(
        &mut self,
        mut to: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            match ready!(to.as_mut().poll_write(cx, &self.unwritten))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.unwritten.split_to(written)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// As it goes over the wire. Where the next request begins isn't known any more, so the connection closes.
fn spelled(response: HttpResponse, date: &str) -> Option<Bytes> {
    let (response, body) = response.into_parts();
    let body = body.try_into_bytes().ok()?;
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\ncontent-length: {}\r\n", status.as_str(), body.len()).into_bytes();
    let close = [(CONNECTION.as_str(), "close".as_bytes()), (DATE.as_str(), date.as_bytes())];
    let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    for (name, value) in headers.chain(close) {
        text.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&body);
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::{Refusal, URI_BYTES_MAX};

    fn refused(status: &str, request_line_bytes: usize) -> Option<String> {
        let date = "date: Sun, 06 Nov 1994 08:49:37 GMT";
        let own = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n{date}\r\n\r\n");
        let refusal = Refusal::in_place_of(own.as_bytes(), request_line_bytes, false)?;
        let text = String::from_utf8(refusal.unwritten.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        for line in [date, "connection: close", "content-type: application/problem+json"] {
            assert!(head.contains(&format!("\r\n{line}")), "{head}");
        }
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        Some(text)
    }

    #[test]
    fn what_the_parser_answers_by_itself_gets_a_document() {
        for (own, line, expected) in [
            ("400 Bad Request", 20, "HTTP/1.1 400 Bad Request\r\n"),
            ("408 Request Timeout", 0, "HTTP/1.1 408 Request Timeout\r\n"),
            ("431 Request Header Fields Too Large", 20, "HTTP/1.1 431 Request Header Fields Too Large\r\n"),
            ("431 Request Header Fields Too Large", URI_BYTES_MAX + 1, "HTTP/1.1 414 URI Too Long\r\n"),
            ("400 Bad Request", URI_BYTES_MAX + 1, "HTTP/1.1 414 URI Too Long\r\n"),
        ] {
            let text = refused(own, line).unwrap();
            assert!(text.starts_with(expected), "{own}: {text}");
        }
    }

    #[test]
    fn anything_else_is_left_as_it_is() {
        assert_eq!(refused("500 Internal Server Error", 20), None);
        for own in ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 4", "\u{e9}"] {
            assert!(Refusal::in_place_of(own.as_bytes(), 0, true).is_none(), "{own}");
        }
    }
}
