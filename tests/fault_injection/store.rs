//! The object store: killed, frozen, cut off, absent. Images are refused meanwhile, and cities are answered as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::http::Failure;
use harness::{Answer, Http, Load, Proxy, Store, System, eventually, holds};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::trial::Trial;
use crate::{ABSENT, FROZEN, HEAL_LIMIT};

/// What is asked for all the time.
const IMAGE: &str = "sofia.png";
const IMAGE_BYTES: usize = 50_000;

/// Clients that ask for it. Each gets an answer within 2 s, so there are several times as many requests in a trial.
const VIEWERS: usize = 50;

/// Between two requests of one, so that 503s that come at once don't become a load of their own.
const VIEWER_PAUSE: Duration = Duration::from_millis(500);

/// Between two questions about cities.
const READER_PAUSE: Duration = Duration::from_millis(20);

/// Answers about cities that these two get in a second at least. Usually it is several dozen; if each waited for the
/// store, whose limit is 2 s, it would be one.
const READERS: usize = 2;
const ANSWERS_A_SECOND_MIN: f64 = 3.0;

/// By then the api has all the connections and buffers that a fault needs.
const SETTLED: Duration = Duration::from_secs(4);

/// What the api may need more at the end of a fault than when it had settled: it needs some 50 kB for an image that
/// somebody waits for, of which there are thousands in a long trial.
const MEMORY_MORE_MAX: u64 = 8_000_000;

/// A system on a store with an image, the link between them, and people who look at it.
struct Gallery {
    store: Store,
    link: Proxy,
    system: System,
    viewers: JoinSet<Vec<String>>,
    stop: Arc<AtomicBool>,
}

impl Gallery {
    async fn open() -> Self {
        let store = Store::start().await;
        store.put(IMAGE, &image());
        let link = Proxy::to(&format!("127.0.0.1:{}", store.port));
        let system = System::start_with(Store::settings_by(link.port)).await;
        is_served(&system).await;
        let (mut viewers, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for _ in 0..VIEWERS {
            viewers.spawn(view(Http::new(system.http.port), Arc::clone(&stop)));
        }
        Self { store, link, system, viewers, stop }
    }

    /// The fault lasts so long: images are refused, cities answered, and nothing piles up.
    async fn is_bad(&mut self, trial: &Trial, time: Duration) {
        let begun = Instant::now();
        let cities = Load::reads_with_pause(&self.system.http, READERS, READER_PAUSE, &[200]);
        eventually(HEAL_LIMIT, "an image is refused", async || {
            let answer = self.system.http.get(&format!("/image/{IMAGE}")).await?;
            holds(is_refused(&answer), answer.status)
        })
        .await;
        sleep(SETTLED).await;
        let (memory, files) = self.used();
        trial.lasts(&mut self.system, time - SETTLED).await;
        let (memory_now, files_now) = self.used();
        assert!(memory_now < memory + MEMORY_MORE_MAX, "the api grew from {memory} to {memory_now} bytes");
        assert!(files_now < files + VIEWERS, "the api had {files} files and connections, and has {files_now}");
        let answers = cities.done() as f64 / begun.elapsed().as_secs_f64();
        assert!(answers > ANSWERS_A_SECOND_MIN, "{answers:.1} answers about cities a second");
        cities.stop().await;
    }

    fn used(&mut self) -> (u64, usize) {
        let api = self.system.api.process();
        (api.own_memory(), api.open_files())
    }

    /// The fault is over.
    async fn closes_well(mut self, trial: Trial) {
        is_served(&self.system).await;
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.viewers.join_all().await.concat();
        assert!(failures.is_empty(), "{} wrong answers, the first: {}", failures.len(), failures[0]);
        trial.ends_well(&mut self.system).await;
    }
}

/// Asks again and again, and notes what is neither the image nor a refusal.
async fn view(http: Http, stop: Arc<AtomicBool>) -> Vec<String> {
    let (path, image, mut failures) = (format!("/image/{IMAGE}"), image(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        match http.try_get(&path, &[]).await {
            Ok(answer) if is_refused(&answer) || (answer.status == 200 && answer.body == image) => {}
            Ok(answer) => failures.push(format!("{} {} bytes", answer.status, answer.body.len())),
            // It had begun when the store went.
            Err(Failure::InPart(_)) => {}
            Err(failure) => failures.push(failure.to_string()),
        }
        sleep(VIEWER_PAUSE).await;
    }
    failures
}

fn image() -> Vec<u8> {
    (0..IMAGE_BYTES).map(|at| (at % 251) as u8).collect()
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 503
        && answer.header("content-type") == "application/problem+json"
        && !answer.header("retry-after").is_empty()
}

async fn is_served(system: &System) {
    eventually(HEAL_LIMIT, "the image is served", async || {
        let answer = system.http.get(&format!("/image/{IMAGE}")).await?;
        holds(answer.status == 200 && answer.body == image(), answer.status)
    })
    .await;
}

#[tokio::test]
async fn a_killed_and_absent_store_refuses_images_only() {
    let mut gallery = Gallery::open().await;
    let trial = Trial::begin(&gallery.system).await;
    gallery.store.kill();
    gallery.is_bad(&trial, ABSENT).await;
    gallery.store.restart().await;
    gallery.closes_well(trial).await;
}

#[tokio::test]
async fn a_frozen_store_refuses_images_only() {
    let mut gallery = Gallery::open().await;
    let trial = Trial::begin(&gallery.system).await;
    gallery.store.pause();
    gallery.is_bad(&trial, FROZEN).await;
    gallery.store.resume();
    gallery.closes_well(trial).await;
}

#[tokio::test]
async fn a_store_that_is_cut_off_refuses_images_only() {
    let mut gallery = Gallery::open().await;
    let trial = Trial::begin(&gallery.system).await;
    for fault in [Proxy::cut, Proxy::black_hole] {
        fault(&gallery.link);
        gallery.is_bad(&trial, FROZEN).await;
        gallery.link.restore();
        is_served(&gallery.system).await;
    }
    gallery.closes_well(trial).await;
}

#[tokio::test]
async fn an_image_whose_store_freezes_under_way_breaks_off() {
    let mut gallery = Gallery::open().await;
    // More than what lies in buffers on the way.
    let large = image().repeat(1_000);
    gallery.store.put("large.png", &large);
    let mut client = TcpStream::connect(("127.0.0.1", gallery.system.http.port)).await.unwrap();
    client.write_all(b"GET /image/large.png HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    let mut first = [0; 1_000];
    client.read_exact(&mut first).await.unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&first));

    gallery.store.pause();
    let mut rest = Vec::new();
    // Closed or reset.
    let _ = timeout(HEAL_LIMIT, client.read_to_end(&mut rest)).await.expect("it breaks off");
    assert!(rest.len() < large.len(), "it came whole");
    gallery.system.api.wait_log(HEAL_LIMIT, "answers broke off").await;
    gallery.store.resume();
    is_served(&gallery.system).await;
}
