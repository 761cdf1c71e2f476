//! What clients do with a connection that no browser would: requests that are none, many at once, HEAD.

use harness::{Http, Program, Settings, eventually, settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setup::{SOON, Setup};

/// The api without anything that it stands on.
async fn alone() -> (Program, Http) {
    let (api, http) = Program::api(Settings::new());
    eventually(SOON, "the api serves", async || http.get("/health").await).await;
    (api, http)
}

/// An answer's head, and its body, cut by its Content-Length; what follows it.
fn first(answers: &str, has_body: bool) -> (&str, &str, &str) {
    let (head, rest) = answers.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in `{answers}`"));
    let length = header(head, "content-length").parse().unwrap();
    let (body, rest) = rest.split_at(if has_body { length } else { 0 });
    (head, body, rest)
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let named = |line: &'a str| line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name));
    head.lines().find_map(named).map_or("", |(_, value)| value)
}

/// Checks that the answer is a problem document and the last one on its connection.
fn check_refused(answer: &str, status: u16, problem: &str) {
    let (head, body, rest) = first(answer, true);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert_eq!(header(head, "content-type"), "application/problem+json", "{answer}");
    assert_eq!((header(head, "connection"), header(head, "cache-control")), ("close", "no-cache"), "{answer}");
    assert!(!header(head, "date").is_empty(), "{answer}");
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["status"], status);
    assert_eq!(document["type"], format!("tag:cities-cache,2026:{problem}"));
    assert_eq!(rest, "");
}

#[tokio::test]
async fn what_is_no_request_gets_a_problem_document() {
    let (_api, http) = alone().await;
    let long = "x".repeat(1_000_000);
    let with_host = |line: &str| format!("{line}\r\nHost: test\r\n\r\n");
    let with_header = |header: &str| format!("GET /health HTTP/1.1\r\nHost: test\r\n{header}\r\n\r\n");
    for (request, status, problem) in [
        (with_header("bad header"), 400, "malformed-request"),
        (with_header("Content-Length: x"), 400, "malformed-request"),
        (with_header("Host: another"), 400, "malformed-request"),
        ("GET /health HTTP/1.1\r\n\r\n".to_owned(), 400, "malformed-request"),
        (with_host("GET"), 400, "malformed-request"),
        (with_host("GET /health"), 400, "malformed-request"),
        (with_host("GET /health HTTP/3.0"), 400, "malformed-request"),
        (with_host("GET /a b HTTP/1.1"), 400, "malformed-request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400, "malformed-request"),
        // The beginning of a TLS connection.
        ("\x16\x03\x01\x02\0\x01\0\x01".to_owned(), 400, "malformed-request"),
        (with_header(&format!("X: {long}")), 431, "header-too-large"),
        (with_header(&"X: x\r\n".repeat(200)), 431, "header-too-large"),
        (with_host(&format!("GET /{long} HTTP/1.1")), 414, "uri-too-long"),
        (with_host(&format!("GET /{} HTTP/1.1", &long[..70_000])), 414, "uri-too-long"),
    ] {
        check_refused(&http.raw(request.as_bytes()).await.unwrap(), status, problem);
    }
    assert_eq!(http.get("/health").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_refused_client_may_send_on_until_it_has_read_why() {
    let (_api, http) = alone().await;
    let mut client = TcpStream::connect(("127.0.0.1", http.port)).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nbad header\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    check_refused(&answer, 400, "malformed-request");
    // A connection that was closed would be reset by the first of these.
    for _ in 0..10 {
        client.write_all(&[b'x'; 1_000]).await.unwrap();
    }
}

#[tokio::test]
async fn a_header_that_does_not_arrive_gets_a_problem_document() {
    let (_api, http) = alone().await;
    let (complete, part) = ("GET /health HTTP/1.1\r\nHost: test\r\n\r\n", "GET /health HTTP/1.1\r\nHost: t");
    let (alone, later) = (part.to_owned(), format!("{complete}{part}"));
    let (alone, later) =
        tokio::join!(http.raw_within(SOON * 2, alone.as_bytes()), http.raw_within(SOON * 2, later.as_bytes()));
    check_refused(&alone.unwrap(), 408, "request-timeout");
    check_refused(first(&later.unwrap(), true).2, 408, "request-timeout");
}

#[tokio::test]
async fn requests_that_follow_each_other_are_each_answered_as_what_they_are() {
    let setup = Setup::new().await;
    let paths = ["/cities/BGR", "/health", "/cities/FRA", "/nothing", "/image/missing.png", "/cities/ATA"];
    let methods = ["GET", "HEAD", "HEAD", "GET", "GET", "GET", "HEAD"];
    let requests: Vec<_> = (0..100).map(|at| (methods[at % methods.len()], paths[at % paths.len()])).collect();
    let sent = |(method, path): &(&str, &str)| format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut sent: String = requests.iter().map(sent).collect();
    sent.push_str("GET /health HTTP/1.1\r\nbad header\r\n\r\n");
    let answers = setup.http.raw(sent.as_bytes()).await.unwrap();
    let mut rest = answers.as_str();
    for (method, path) in requests {
        let (head, body, next) = first(rest, method == "GET");
        assert_eq!(header(head, "connection"), "", "{method} {path}: {head}");
        let expected = setup.http.get(path).await.unwrap();
        assert_eq!(head.split(' ').nth(1).unwrap(), expected.status.to_string(), "{method} {path}");
        assert_eq!(method == "GET", !body.is_empty(), "{method} {path}");
        rest = next;
    }
    check_refused(rest, 400, "malformed-request");
}

#[tokio::test]
async fn head_has_the_headers_of_get_on_every_route() {
    let setup = Setup::new().await;
    setup.get("BGR").await;
    for path in
        ["/cities/BGR", "/cities/ZZZ", "/cities/1", "/image/missing.png", "/image/%00", "/livez", "/readyz", "/x"]
    {
        let [get, head] = ["GET", "HEAD"].map(|method| {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
            let http = setup.http.clone();
            async move { http.raw(request.as_bytes()).await.unwrap() }
        });
        let (get, head) = (get.await, head.await);
        let headers = |answer: &str| {
            let (head, _, rest) = first(answer, !answer.ends_with("\r\n\r\n"));
            assert_eq!(rest, "");
            let mut lines: Vec<_> =
                head.lines().filter(|line| !line.starts_with("date: ")).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert!(head.ends_with("\r\n\r\n") && !get.ends_with("\r\n\r\n"), "{path}: {head}");
        // The ages that `/readyz` tells have more digits later.
        let same_length = path != "/readyz";
        let relevant = |lines: Vec<String>| -> Vec<String> {
            lines.into_iter().filter(|line| same_length || !line.starts_with("content-length")).collect()
        };
        assert_eq!(relevant(headers(&head)), relevant(headers(&get)), "{path}");
    }
}

#[tokio::test]
async fn fixed_paths_may_end_with_a_slash() {
    let (_api, http) = alone().await;
    for path in ["/health", "/livez", "/readyz"] {
        let (plain, slash) = (http.get(path).await.unwrap(), http.get(&format!("{path}/")).await.unwrap());
        assert_eq!(slash.status, plain.status, "{path}");
    }
    let request = b"POST /health/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let answer = http.raw(request).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("\r\nallow: GET, HEAD\r\n"), "{answer}");
}

#[tokio::test]
async fn a_thousand_requests_that_cannot_be_read_are_two_lines_that_count_them() {
    let (mut api, http) = alone().await;
    for _ in 0..500 {
        http.raw(b"GET / HTTP/1.1\r\nbad header\r\n\r\n").await.unwrap();
        http.raw(b"\x16\x03\x01\x02\0\x01\0\x01").await.unwrap();
    }
    api.stop(SOON).await;
    assert_eq!(api.log_lines("ERROR"), Vec::<String>::new());
    let lines = api.log_lines("can't be read as HTTP");
    let count = |line: &String| line.split(": ").nth(1)?.split(' ').next()?.parse::<u32>().ok();
    assert!(lines.len() <= 2, "{lines:?}");
    assert_eq!(lines.iter().filter_map(count).sum::<u32>(), 1_000, "{lines:?}");
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_ends_the_program_with_the_name_of_its_setting() {
    let (_api, http) = alone().await;
    let port = http.port.to_string();
    for (name, value) in [("HTTP_PORT", port.as_str()), ("HTTP_HOST", "192.0.2.1")] {
        let (mut second, _) = Program::api(Settings::new());
        second.restart_with(settings([(name, value)]));
        assert_eq!(second.process().wait_exit(SOON).await.code(), Some(64));
        let lines = second.log_lines("ERROR");
        assert!(lines.len() == 1 && lines[0].contains(name), "{lines:?}");
    }
}
