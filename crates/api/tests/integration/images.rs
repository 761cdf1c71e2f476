//! Pictures from a folder; the store behind the same interface is tested where there is one.

use std::path::PathBuf;

use harness::{Answer, Http, Program, eventually, settings};

use crate::setup::{SOON, new_folder};

struct Pictures {
    _api: Program,
    http: Http,
    folder: PathBuf,
}

const BYTES: &[u8] = b"0123456789";

impl Pictures {
    async fn new() -> Self {
        let folder = new_folder("images").join("images");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("sofia.png"), BYTES).unwrap();
        std::fs::write(folder.join("rila ä.jpg"), "jpg").unwrap();
        std::fs::write(folder.parent().unwrap().join("secret"), "secret").unwrap();
        std::fs::create_dir(folder.join("folder")).unwrap();
        let (api, http) = Program::api(settings([("IMAGE_FOLDER", folder.to_str().unwrap())]));
        eventually(SOON, "the api serves", async || http.get("/health").await).await;
        Self { _api: api, http, folder }
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.http.try_get("/image/sofia.png", headers).await.unwrap()
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.folder.parent().unwrap());
    }
}

#[tokio::test]
async fn an_image_comes_with_its_type_length_and_tag() {
    let pictures = Pictures::new().await;
    let image = pictures.get(&[]).await;
    assert_eq!((image.status, image.body.as_slice()), (200, BYTES));
    assert_eq!(image.header("content-type"), "image/png");
    assert_eq!(image.header("content-length"), "10");
    assert_eq!(image.header("accept-ranges"), "bytes");
    assert_eq!(image.header("cache-control"), "no-cache");
    assert!(image.header("etag").starts_with('"') && image.header("last-modified").ends_with("GMT"));
    let encoded = pictures.http.get("/image/rila%20%C3%A4.jpg").await.unwrap();
    assert_eq!((encoded.status, encoded.header("content-type")), (200, "image/jpeg"));
    let head = b"HEAD /image/sofia.png HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let head = pictures.http.raw(head).await.unwrap();
    assert!(head.contains("content-length: 10\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let pictures = Pictures::new().await;
    let image = pictures.get(&[]).await;
    let (tag, date) = (image.header("etag"), image.header("last-modified"));
    let weak = format!("W/{tag}, \"other\"");
    for header in
        [("if-none-match", tag), ("if-none-match", &weak), ("if-none-match", "*"), ("if-modified-since", date)]
    {
        let answer = pictures.get(&[header]).await;
        assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (304, 0, tag), "{header:?}");
    }
    let old = ("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT");
    for headers in
        [&[("if-none-match", "\"other\"")][..], &[old], &[("if-none-match", "\"other\""), ("if-modified-since", date)]]
    {
        assert_eq!(pictures.get(headers).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn a_range_is_a_part_of_the_same_image() {
    let pictures = Pictures::new().await;
    for (range, part, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        let answer = pictures.get(&[("range", range)]).await;
        assert_eq!((answer.status, answer.text().as_str()), (206, part), "{range}");
        assert_eq!(answer.header("content-range"), content_range);
        assert_eq!(answer.header("content-length"), part.len().to_string());
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let answer = pictures.get(&[("range", range)]).await;
        assert_eq!((answer.status, answer.header("content-range")), (416, "bytes */10"), "{range}");
    }
    for range in ["bytes=0-1,4-5", "lines=1-2", "bytes=5-1x", "nonsense"] {
        let answer = pictures.get(&[("range", range)]).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, BYTES), "{range}");
    }
    let tag = pictures.get(&[]).await.header("etag").to_owned();
    assert_eq!(pictures.get(&[("range", "bytes=0-3"), ("if-range", &tag)]).await.status, 206);
    assert_eq!(pictures.get(&[("range", "bytes=0-3"), ("if-range", "\"other\"")]).await.status, 200);
}

#[tokio::test]
async fn no_name_leads_out_of_the_folder() {
    let pictures = Pictures::new().await;
    let (long, longer) = ("a".repeat(300), "a".repeat(2_000));
    for (name, status) in [
        ("..", 400),
        ("%2e%2e", 400),
        ("%2e%2e%2fsecret", 400),
        ("..%5csecret", 400),
        ("%2fetc%2fpasswd", 400),
        ("/etc/passwd", 404),
        ("../secret", 404),
        ("sofia.png%00", 400),
        ("%00", 400),
        ("%0A", 400),
        (&longer, 400),
        (&long, 404),
        ("missing.png", 404),
        ("folder", 404),
        ("%FF.png", 404),
        ("", 404),
    ] {
        let answer = pictures.http.get_raw(&format!("/image/{name}")).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(answer.contains("application/problem+json"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_a_problem_of_images_alone() {
    for nowhere in [("IMAGE_FOLDER", "/nonexistent"), ("MINIO_ENDPOINT", "http://127.0.0.1:1")] {
        let (_api, http) = Program::api(settings([nowhere]));
        eventually(SOON, "the api serves", async || http.get("/health").await).await;
        let begun = std::time::Instant::now();
        let answer = http.get("/image/sofia.png").await.unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{nowhere:?}");
        // The api gives the store 2 s; of its own accord its client tries for minutes.
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let ready = eventually(SOON, "it is noticed", async || {
            let ready = http.get("/readyz").await?;
            harness::holds(ready.text().contains("images can't be read"), ready.text()).map(|()| ready)
        })
        .await;
        assert!(!ready.json()["fails"].to_string().contains("images"));
    }
}
