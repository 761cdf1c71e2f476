//! What somebody put into the object store: shown where it is a picture, and never a page or a script in the api's origin.

use harness::{Answer, Http, Program, Store, eventually, holds};

use crate::TRAVEL_LIMIT;

const SCRIPT: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";

#[tokio::test]
async fn only_pictures_are_shown_whatever_the_store_says() {
    let store = Store::start().await;
    for (name, content_type) in [
        ("picture", "image/png"),
        ("page.png", "text/html"),
        ("page.html", "text/html; charset=utf-8"),
        ("script.js", "text/javascript"),
        ("drawing.png", "image/svg+xml"),
    ] {
        store.upload(name, content_type, SCRIPT).await;
    }
    let (_api, http) = Program::api(Store::settings_by(store.port));
    let shown = get(&http, "picture", &[]).await;
    assert_eq!((shown.header("content-type"), shown.header("content-disposition")), ("image/png", ""));
    assert_eq!(shown.header("x-content-type-options"), "nosniff");
    for (name, content_type) in [
        ("page.png", "application/octet-stream"),
        ("page.html", "application/octet-stream"),
        ("script.js", "application/octet-stream"),
        ("drawing.png", "image/svg+xml"),
    ] {
        for headers in [&[][..], &[("range", "bytes=0-3")]] {
            let saved = get(&http, name, headers).await;
            assert_eq!(saved.header("content-type"), content_type, "{name}");
            assert_eq!(saved.header("content-disposition"), "attachment", "{name}");
            assert_eq!(saved.header("x-content-type-options"), "nosniff", "{name}");
            assert!(saved.header("content-security-policy").contains("default-src 'none'"), "{name}");
        }
    }
}

#[tokio::test]
async fn a_download_from_the_store_is_resumed_only_if_the_object_is_the_same() {
    let store = Store::start().await;
    store.upload("sofia.png", "image/png", b"0123456789").await;
    let (_api, http) = Program::api(Store::settings_by(store.port));
    let first = get(&http, "sofia.png", &[("range", "bytes=0-4")]).await;
    let (tag, rest) = (first.header("etag"), ("range", "bytes=5-"));
    for condition in ["if-match", "if-range"] {
        let second = get(&http, "sofia.png", &[rest, (condition, tag)]).await;
        assert_eq!((second.status, second.text().as_str()), (206, "56789"), "{condition}");
    }
    store.upload("sofia.png", "image/png", b"ABCDEFGHIJ").await;
    assert_eq!(get(&http, "sofia.png", &[rest, ("if-match", tag)]).await.status, 412);
    let whole = get(&http, "sofia.png", &[rest, ("if-range", tag)]).await;
    assert_eq!((whole.status, whole.text().as_str()), (200, "ABCDEFGHIJ"));
}

async fn get(http: &Http, name: &str, headers: &[(&str, &str)]) -> Answer {
    eventually(TRAVEL_LIMIT, "the store is reached", async || {
        let answer = http.try_get(&format!("/image/{name}"), headers).await.map_err(|failure| failure.to_string())?;
        holds(answer.status != 503, answer.text()).map(|()| answer)
    })
    .await
}
