//! Finds where a request's head ends, whatever stands in it.

use std::mem;

use memchr::memchr;

/// The head that is arriving. It ends with an empty line (RFC 9112, 2.1); a bare line feed ends a line too, since the
/// parser accepts it (2.2).
///
/// What follows a head is taken for the next head, although it may be a body: an end that is found there means nothing,
/// and must do no harm.
#[derive(Debug)]
pub(crate) struct RequestHead {
    place: Place,
    /// Nothing of the line that is arriving has come yet, or only a carriage return.
    line_is_empty: bool,
    request_line_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    RequestLine,
    Fields,
}

impl RequestHead {
    pub(crate) fn new() -> Self {
        Self { place: Place::Before, line_is_empty: true, request_line_bytes: 0 }
    }

    /// Takes what has arrived, up to the end of a head, and returns how many bytes that is; `None`: no head ends here.
    pub(crate) fn end(&mut self, arrived: &[u8]) -> Option<usize> {
        let mut rest = arrived;
        while let Some(length) = memchr(b'\n', rest) {
            self.take(&rest[..length]);
            rest = &rest[length + 1..];
            match (mem::replace(&mut self.line_is_empty, true), self.place) {
                (false, _) => self.place = Place::Fields,
                (true, Place::Fields) => {
                    self.place = Place::Before;
                    return Some(arrived.len() - rest.len());
                }
                // In front of a request an empty line ends nothing (RFC 9112, 2.2): it begins a head that is to come.
                (true, Place::Before | Place::RequestLine) => {
                    (self.place, self.request_line_bytes) = (Place::RequestLine, 0);
                }
            }
        }
        self.take(rest);
        None
    }

    /// Whether a head has begun and not ended.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.place != Place::Before
    }

    /// Length of the request line: of the head that is arriving, or of the last one until the next begins.
    pub(crate) fn request_line_bytes(&self) -> usize {
        self.request_line_bytes
    }

    /// A part of one line.
    fn take(&mut self, part: &[u8]) {
        self.line_is_empty &= matches!(part, b"" | b"\r");
        match self.place {
            Place::Before if !part.is_empty() => {
                self.place = Place::RequestLine;
                self.request_line_bytes = part.len();
            }
            Place::RequestLine => self.request_line_bytes += part.len(),
            Place::Before | Place::Fields => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RequestHead;

    const HEAD: &str = "GET /health HTTP/1.1\r\nHost: test\r\n\r\n";

    #[test]
    fn a_head_ends_with_an_empty_line_wherever_it_is_cut() {
        for head in
            [HEAD, "GET / HTTP/1.1\nHost: test\n\n", "GET / HTTP/1.1\r\nHost: test\n\r\n", "GET / HTTP/1.0\n\r\n"]
        {
            let two = head.repeat(2);
            for cut in 0..head.len() {
                let (mut state, (first, rest)) = (RequestHead::new(), two.split_at(cut));
                assert_eq!((state.end(first.as_bytes()), state.is_incomplete()), (None, cut > 0), "{first:?}");
                assert_eq!(state.end(rest.as_bytes()), Some(head.len() - cut), "{first:?} {rest:?}");
            }
        }
    }

    #[test]
    fn each_of_several_heads_has_its_end() {
        let (mut state, three, mut from) = (RequestHead::new(), HEAD.repeat(3), 0);
        for _ in 0..3 {
            from += state.end(&three.as_bytes()[from..]).unwrap();
            assert!(from % HEAD.len() == 0 && !state.is_incomplete());
        }
        assert_eq!(from, three.len());
    }

    #[test]
    fn empty_lines_before_a_request_line_belong_to_the_head_that_is_to_come() {
        for lines in ["\r\n", "\n", "\r\n\r\n\n"] {
            let mut state = RequestHead::new();
            assert_eq!((state.end(lines.as_bytes()), state.is_incomplete()), (None, true));
            assert_eq!((state.end(HEAD.as_bytes()), state.is_incomplete()), (Some(HEAD.len()), false));
        }
    }

    #[test]
    fn a_request_line_is_measured_until_the_next_one_begins() {
        let mut state = RequestHead::new();
        state.end(b"GET /");
        state.end(&[b'a'; 1_000]);
        assert_eq!(state.request_line_bytes(), 1_005);
        state.end(b" HTTP/1.1\r\nX: xxxxxxxxxxxxxxxxxxxx\r\n\r\n");
        assert_eq!(state.request_line_bytes(), 1_015);
        state.end(b"GET");
        assert_eq!(state.request_line_bytes(), 3);
    }
}
