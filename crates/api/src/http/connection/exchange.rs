//! What a connection and the answers on it tell each other: above all, whether a request is being answered.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// Shared by a connection and the answers on it, all in one thread.
#[derive(Default)]
pub(crate) struct Exchange {
    /// Answers of handlers that have begun and not ended.
    open: Cell<u32>,
    /// An answer has begun or ended since this was last taken.
    answered: Cell<bool>,
    /// Wakes the reader when the next request isn't held any more.
    waiting: Cell<Option<Waker>>,
    /// A request had a body.
    had_body: Cell<bool>,
    /// The rest of a head didn't come in time.
    pub(crate) late: Cell<bool>,
    /// What came could not be read as a request, and the answer that says so is written: the last one.
    pub(crate) refused: Cell<bool>,
}

/// An answer, until all of it is in the server's output.
pub(crate) struct Answering(Rc<Exchange>);

impl Exchange {
    /// A request was read, and a handler begins to answer it. None of ours reads a body: that stays where it is, since a
    /// further request may stand behind it.
    pub(crate) fn begin(self: &Rc<Self>, has_body: bool) -> Answering {
        self.open.set(self.open.get() + 1);
        self.had_body.set(self.had_body.get() || has_body);
        self.answered.set(true);
        Answering(Rc::clone(self))
    }

    /// Whether the next request is held: until every answer that has begun has ended.
    pub(crate) fn holds_next(&self) -> bool {
        self.open.get() > 0
    }

    /// Wakes `reader` when the next request isn't held any more.
    pub(crate) fn wake_reader(&self, reader: &Waker) {
        self.waiting.set(Some(reader.clone()));
    }

    /// Whether any request had a body.
    pub(crate) fn had_body(&self) -> bool {
        self.had_body.get()
    }

    /// Whether any of the output since the last call is a handler's. If not, all of it is the server's own.
    pub(crate) fn take_answered(&self) -> bool {
        self.answered.take() || self.holds_next()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let exchange = &self.0;
        exchange.open.set(exchange.open.get() - 1);
        exchange.answered.set(true);
        if !exchange.holds_next()
            && let Some(reader) = exchange.waiting.take()
        {
            reader.wake();
        }
    }
}

/// An answer's body. The answer ends when the server has taken all of it, or given up.
pub(crate) struct Body {
    bytes: BoxBody,
    _answering: Option<Answering>,
}

impl Body {
    pub(crate) fn new(bytes: BoxBody, answering: Option<Answering>) -> Self {
        Self { bytes, _answering: answering }
    }
}

impl MessageBody for Body {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.bytes.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.bytes).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::Exchange;

    #[test]
    fn the_next_request_waits_while_one_is_answered() {
        let exchange = Rc::new(Exchange::default());
        for has_body in [false, true] {
            assert!(!exchange.holds_next());
            let answering = exchange.begin(has_body);
            assert!(exchange.holds_next());
            drop(answering);
        }
        assert!(!exchange.holds_next());
    }

    #[test]
    fn output_is_an_answer_from_its_begin_until_it_was_asked_after_its_end() {
        let exchange = Rc::new(Exchange::default());
        assert!(!exchange.take_answered());
        let answering = exchange.begin(false);
        assert!(exchange.take_answered() && exchange.take_answered());
        drop(answering);
        assert!(exchange.take_answered());
        assert!(!exchange.take_answered());
    }
}
