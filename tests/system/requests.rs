//! Codes, image names and requests as nobody should send them: each is refused in the right way, and the server lives.

use harness::{System, settings};
use std::path::PathBuf;

use crate::TRAVEL_LIMIT;

/// Status of an answer as it came over the wire. An error has a document, wherever it was found.
async fn status(system: &System, target: &str) -> u16 {
    let answer = system.http.get_raw(target).await.unwrap_or_else(|error| panic!("{target}: {error}"));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{target}: no status in `{answer}`"));
    if status >= 400 {
        let head = answer.to_lowercase();
        assert!(head.contains("application/problem+json"), "{target}: no problem document: {answer}");
    }
    status
}

#[tokio::test]
async fn what_is_no_code_is_refused_and_lower_case_is_the_same_code() {
    let system = System::start().await;
    for target in [
        "/cities/B",
        "/cities/BG",
        "/cities/BGRR",
        "/cities/123",
        "/cities/B1R",
        "/cities/B%00R",
        "/cities/%00",
        "/cities/%2e%2e",
        "/cities/...",
        "/cities/B%20R",
        "/cities/%D0%91%D0%93%D0%A0",
        "/cities/%EF%BC%A2%EF%BC%A7%EF%BC%B2",
        "/cities/%ff%ff%ff",
        "/cities/ß",
        "/cities/%E2%82%AC",
        "/cities/BGR'--",
    ] {
        assert_eq!(status(&system, target).await, 400, "{target}");
    }
    assert_eq!(status(&system, &format!("/cities/{}", "B".repeat(5_000))).await, 400);
    for target in ["/cities/ZZZ", "/cities/", "/cities", "/cities/BGR/x", "/nowhere", "/cities/../health/x"] {
        assert_eq!(status(&system, target).await, 404, "{target}");
    }
    let (upper, lower) = (system.get_city("BGR").await, system.get_city("bGr").await);
    assert_eq!((lower.status, lower.cities()), (200, upper.cities()));
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn an_unknown_code_is_cached_until_it_becomes_known() {
    let system = System::start().await;
    for _ in 0..3 {
        assert_eq!(system.get_city("ZZZ").await.status, 404);
    }
    system.database.execute("insert into country (code, name) values ('ZZZ', 'Nowhere')").await;
    system.agree(TRAVEL_LIMIT).await;
    let answer = system.get_city("ZZZ").await;
    assert_eq!((answer.status, answer.cities().len()), (200, 0));
}

#[tokio::test]
async fn other_methods_are_refused_with_what_is_allowed() {
    let system = System::start().await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let request =
            format!("{method} /cities/BGR HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let answer = system.http.raw(request.as_bytes()).await.unwrap().to_lowercase();
        assert!(answer.starts_with("http/1.1 405"), "{method}: {answer}");
        assert!(answer.contains("\r\nallow: get"), "{method}: {answer}");
    }
}

#[tokio::test]
async fn what_is_no_image_name_reaches_no_file() {
    let folder = images();
    let system = System::start_with(settings([("IMAGE_FOLDER", folder.join("images").to_str().unwrap())])).await;
    let answer = system.http.get("/image/sofia.png").await.unwrap();
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.body.as_slice()),
        (200, "image/png", b"a picture".as_slice())
    );

    let long = format!("/image/{}", "a".repeat(2_000));
    for target in [
        "/image/..",
        "/image/../secret.txt",
        "/image//etc/passwd",
        "/image/%2e%2e",
        "/image/%2e%2e%2fsecret.txt",
        "/image/..%2fsecret.txt",
        "/image/%2fetc%2fpasswd",
        "/image/%252e%252e%252fsecret.txt",
        "/image/sofia.png%00.txt",
        "/image/%00",
        "/image/",
        "/image/missing.png",
        "/image/.",
        long.as_str(),
    ] {
        let status = status(&system, target).await;
        assert!(matches!(status, 400 | 404), "{target}: {status}");
    }
    assert_eq!(system.http.get("/image/missing.png").await.unwrap().status, 404);
    let _ = std::fs::remove_dir_all(folder);
}

/// A folder with a picture, and a secret beside the folder that is served.
fn images() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("cities-cache-images-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("images")).unwrap();
    std::fs::write(folder.join("images/sofia.png"), "a picture").unwrap();
    std::fs::write(folder.join("secret.txt"), "a secret").unwrap();
    folder
}

#[tokio::test]
async fn oversized_and_broken_requests_are_refused_and_the_server_lives() {
    let system = System::start().await;
    let header = format!("GET /health HTTP/1.1\r\nHost: test\r\nX-Large: {}\r\n\r\n", "x".repeat(1_000_000));
    let many = format!("GET /health HTTP/1.1\r\nHost: test\r\n{}\r\n", "X-Many: x\r\n".repeat(5_000));
    let line = format!("GET /cities/{} HTTP/1.1\r\nHost: test\r\n\r\n", "x".repeat(1_000_000));
    for request in [header.as_bytes(), many.as_bytes(), line.as_bytes(), b"\0\xff\r\n\r\n", b"GET\r\n\r\n"] {
        let answer = system.http.raw(request).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("application/problem+json"), "{answer}");
        assert_eq!(system.http.get("/health").await.unwrap().status, 200);
    }
    system.agree(TRAVEL_LIMIT).await;
}
