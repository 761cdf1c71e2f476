//! A trouble that lasts is said once when it begins, once when its cause changes, and once when it is over.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::Level;

use crate::clock::Moment;

/// What failed within this time isn't over, although something else worked: no pair of lines for each request.
const SETTLED: Duration = Duration::from_secs(1);

/// A cause that is another one at each try is said no more often than this.
const REPEATED: Duration = Duration::from_secs(5);

/// Different causes of one trouble that are said; some alternate for ever, as the addresses of a name do.
const CAUSES_MAX: usize = 8;

/// One kind of trouble, over and over.
pub(crate) struct Episode {
    over: &'static str,
    lasts: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

struct Trouble {
    causes: Vec<String>,
    said: Moment,
    seen: Moment,
}

impl Episode {
    /// `over` is the line that is written when it has ended.
    pub(crate) const fn new(over: &'static str) -> Self {
        Self { over, lasts: AtomicBool::new(false), trouble: Mutex::new(None) }
    }

    /// It failed.
    pub(crate) fn fails(&self, level: Level, text: &str) {
        let mut trouble = self.trouble.lock().expect("nobody panics with it");
        let now = Moment::now();
        let Trouble { causes, said, seen } =
            trouble.get_or_insert_with(|| Trouble { causes: Vec::new(), said: now, seen: now });
        *seen = now;
        let is_news = causes.len() < CAUSES_MAX && !causes.iter().any(|cause| cause == text);
        if causes.is_empty() || (is_news && said.elapsed() >= REPEATED) {
            log::log!(level, "{text}");
            causes.push(text.to_owned());
            *said = now;
            self.lasts.store(true, Ordering::Relaxed);
        }
    }

    /// It worked. Costs nothing where it always did.
    pub(crate) fn works(&self) {
        if !self.lasts() {
            return;
        }
        let mut trouble = self.trouble.lock().expect("nobody panics with it");
        if trouble.take_if(|trouble| trouble.seen.elapsed() >= SETTLED).is_some() {
            self.lasts.store(false, Ordering::Relaxed);
            log::info!("{}", self.over);
        }
    }

    /// Whether it lasts.
    pub(crate) fn lasts(&self) -> bool {
        self.lasts.load(Ordering::Relaxed)
    }
}
