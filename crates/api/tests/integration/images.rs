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
async fn conditions_are_weighed_for_whole_images_parts_and_heads_alike() {
    let pictures = Pictures::new().await;
    let image = pictures.get(&[]).await;
    let (tag, date) = (image.header("etag"), image.header("last-modified"));
    let part = ("range", "bytes=5-9");
    let old = "Sat, 29 Oct 1994 19:43:31 GMT";
    for precondition in [("if-match", "\"old\""), ("if-unmodified-since", old)] {
        for headers in [&[precondition][..], &[precondition, part], &[precondition, ("if-none-match", tag)]] {
            let answer = pictures.get(headers).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (412, "application/problem+json"),
                "{headers:?}"
            );
        }
        let (name, value) = precondition;
        let head =
            format!("HEAD /image/sofia.png HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{name}: {value}\r\n\r\n");
        let head = pictures.http.raw(head.as_bytes()).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 412 ") && head.ends_with("\r\n\r\n"), "{head}");
    }
    for precondition in [("if-match", tag), ("if-match", "*"), ("if-unmodified-since", date)] {
        assert_eq!(pictures.get(&[precondition]).await.body, BYTES);
        let answer = pictures.get(&[precondition, part]).await;
        assert_eq!((answer.status, answer.text().as_str()), (206, "56789"), "{precondition:?}");
    }
}

#[tokio::test]
async fn a_download_that_is_resumed_after_the_image_was_replaced_is_not_spliced() {
    let pictures = Pictures::new().await;
    let first = pictures.get(&[("range", "bytes=0-4")]).await;
    let (tag, rest) = (first.header("etag"), ("range", "bytes=5-"));
    std::fs::write(pictures.folder.join("new"), "ABCDEFGHIJKL").unwrap();
    std::fs::rename(pictures.folder.join("new"), pictures.folder.join("sofia.png")).unwrap();
    assert_eq!(pictures.get(&[rest, ("if-match", tag)]).await.status, 412);
    let whole = pictures.get(&[rest, ("if-range", tag)]).await;
    assert_eq!((whole.status, whole.text().as_str()), (200, "ABCDEFGHIJKL"));
}

#[tokio::test]
async fn what_could_run_scripts_is_saved_and_not_shown() {
    let pictures = Pictures::new().await;
    let script = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    for (name, content_type) in [
        ("page.html", "application/octet-stream"),
        ("page.xhtml", "application/octet-stream"),
        ("script.js", "application/octet-stream"),
        ("notes", "application/octet-stream"),
        ("logo.svg", "image/svg+xml"),
    ] {
        std::fs::write(pictures.folder.join(name), script).unwrap();
        let whole = pictures.http.get(&format!("/image/{name}")).await.unwrap();
        let part = pictures.http.try_get(&format!("/image/{name}"), &[("range", "bytes=0-3")]).await.unwrap();
        for answer in [whole, part] {
            assert_eq!(answer.header("content-type"), content_type, "{name}");
            assert_eq!(answer.header("content-disposition"), "attachment", "{name}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{name}: {policy}");
        }
    }
    let shown = pictures.get(&[]).await;
    assert_eq!((shown.header("content-type"), shown.header("x-content-type-options")), ("image/png", "nosniff"));
    assert_eq!(shown.header("content-disposition"), "");
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
        eventually(SOON, "/status names it", async || http.fails("images", "they can't be read").await).await;
    }
}
