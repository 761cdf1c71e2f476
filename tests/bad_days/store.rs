//! The object store: killed, frozen, cut off, absent. Images are refused meanwhile, and cities are answered as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::http::Failure;
use harness::{Answer, Http, Load, Proxy, Store, System, eventually, holds};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::day::Day;
use crate::{ABSENT, FROZEN, HEAL_LIMIT};

/// What is asked for all the time.
const IMAGE: &str = "sofia.png";
const IMAGE_BYTES: usize = 50_000;

/// Clients that ask for it. Each gets an answer within 2 s, so there are several times as many requests in a bad day.
const VIEWERS: usize = 50;

/// Between two requests of one, so that 503s that come at once don't become a load of their own.
const VIEWER_PAUSE: Duration = Duration::from_millis(500);

/// Between two questions about cities.
const READER_PAUSE: Duration = Duration::from_millis(20);

/// Answers about cities take milliseconds; one that waited for the store would take the 2 s that images may take.
const CITIES_LIMIT: Duration = Duration::from_millis(1_500);

/// By then the api has all the connections and buffers that a bad day needs.
const SETTLED: Duration = Duration::from_secs(4);

/// What the api may need more at the end of a bad day than when it had settled; 50 further images would be 2.5 MB.
const MEMORY_MORE_MAX: u64 = 2_000_000;

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
    async fn is_bad(&mut self, day: &Day, time: Duration) {
        let cities = Load::reads_with_pause(&self.system.http, 2, READER_PAUSE, &[200]);
        eventually(SETTLED, "an image is refused", async || {
            let answer = self.system.http.get(&format!("/image/{IMAGE}")).await?;
            holds(is_refused(&answer), answer.status)
        })
        .await;
        sleep(SETTLED).await;
        let (memory, files) = self.used();
        day.lasts(&mut self.system, time - SETTLED).await;
        let (memory_now, files_now) = self.used();
        assert!(memory_now < memory + MEMORY_MORE_MAX, "the api grew from {memory} to {memory_now} bytes");
        assert!(files_now < files + VIEWERS, "the api had {files} files and connections, and has {files_now}");
        let slowest = cities.stop().await;
        assert!(slowest < CITIES_LIMIT, "an answer about a city took {slowest:?}");
    }

    fn used(&mut self) -> (u64, usize) {
        let api = self.system.api.process();
        (api.memory(), api.open_files())
    }

    /// The fault is over.
    async fn closes_well(mut self, day: Day) {
        is_served(&self.system).await;
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.viewers.join_all().await.concat();
        assert!(failures.is_empty(), "{} wrong answers, the first: {}", failures.len(), failures[0]);
        day.ends_well(&mut self.system).await;
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
    let day = Day::begin(&gallery.system).await;
    gallery.store.kill();
    gallery.is_bad(&day, ABSENT).await;
    gallery.store.restart().await;
    gallery.closes_well(day).await;
}

#[tokio::test]
async fn a_frozen_store_refuses_images_only() {
    let mut gallery = Gallery::open().await;
    let day = Day::begin(&gallery.system).await;
    gallery.store.pause();
    gallery.is_bad(&day, FROZEN).await;
    gallery.store.resume();
    gallery.closes_well(day).await;
}

#[tokio::test]
async fn a_store_that_is_cut_off_refuses_images_only() {
    let mut gallery = Gallery::open().await;
    let day = Day::begin(&gallery.system).await;
    for fault in [Proxy::cut, Proxy::black_hole] {
        fault(&gallery.link);
        gallery.is_bad(&day, FROZEN).await;
        gallery.link.restore();
        is_served(&gallery.system).await;
    }
    gallery.closes_well(day).await;
}

#[tokio::test]
async fn an_image_whose_store_freezes_under_way_breaks_off() {
    let mut gallery = Gallery::open().await;
    // More than what lies in buffers on the way.
    gallery.store.put("large.png", &image().repeat(1_000));
    gallery.link.slow(Duration::from_millis(10));
    let http = gallery.system.http.clone();
    let begun = Instant::now();
    let large = tokio::spawn(async move { http.try_get("/image/large.png", &[]).await });
    sleep(Duration::from_millis(500)).await;
    assert!(!large.is_finished(), "it was no large image");
    gallery.store.pause();
    let answer = large.await.unwrap();
    assert!(matches!(answer, Err(Failure::InPart(_))), "{:?}", answer.map(|answer| answer.status));
    assert!(begun.elapsed() < HEAL_LIMIT, "{:?}", begun.elapsed());
    gallery.store.resume();
    gallery.link.restore();
    is_served(&gallery.system).await;
}
