//! A small HTTP client: answers as the tests look at them, and requests that no client would send.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::eventually::holds;

/// Limit for one request: what takes longer is a failed test.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// A client of one HTTP server.
#[derive(Clone)]
pub struct Http {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    client: reqwest::Client,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub enum Failure {
    /// The connection was refused, reset or closed before the first byte of an answer.
    Unanswered(String),
    /// An answer began and broke off.
    InPart(String),
    /// Nothing came for too long.
    TooLate(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(cause) => write!(f, "no answer: {cause}"),
            Self::InPart(cause) => write!(f, "an answer in part: {cause}"),
            Self::TooLate(cause) => write!(f, "no answer in time: {cause}"),
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Http {
    /// A client of the server on 127.0.0.1:`port`.
    ///
    /// # Panics
    /// If the client can't be made.
    pub fn new(port: u16) -> Self {
        let client = reqwest::Client::builder().timeout(REQUEST_LIMIT).no_proxy().build().expect("it is a client");
        Self { port, client }
    }

    /// `GET path`.
    ///
    /// # Errors
    /// If there is no whole answer.
    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        self.try_get(path, &[]).await.map_err(|failure| format!("{path}: {failure}"))
    }

    /// Whether `/status` names no part of the pipeline that fails.
    ///
    /// # Errors
    /// With what it says instead.
    pub async fn is_ok(&self) -> Result<(), String> {
        let answer = self.get("/status").await?;
        holds(answer.json()["ok"] == true, answer.text())
    }

    /// Whether `/status` says that `part` fails, in words that contain `what`.
    ///
    /// # Errors
    /// With what it says instead.
    pub async fn fails(&self, part: &str, what: &str) -> Result<(), String> {
        let answer = self.get("/status").await?;
        let status = answer.json();
        let failing = &status[part];
        let is_named = failing["fails"].as_str().is_some_and(|words| words.contains(what));
        let is_whole = status["ok"] == false && failing["ok"] == false && failing["since_s"].is_u64();
        holds(answer.status == 200 && is_named && is_whole, answer.text())
    }

    /// `GET path` with headers.
    ///
    /// # Errors
    /// If there is no whole answer.
    ///
    /// # Panics
    /// If a header is none.
    pub async fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("it is a header's name");
            map.append(name, HeaderValue::from_str(value).expect("it is a header's value"));
        }
        let request = self.client.get(format!("http://127.0.0.1:{}{path}", self.port)).headers(map);
        let answer = request.send().await.map_err(|error| failure(&error, Failure::Unanswered))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|error| failure(&error, Failure::InPart))?;
        Ok(Answer { status, headers, body: body.to_vec() })
    }

    /// Sends exactly these bytes and returns what comes until the server closes or nothing comes for a second.
    ///
    /// # Errors
    /// If there is no connection, or it breaks before a first byte.
    pub async fn raw(&self, request: &[u8]) -> std::io::Result<String> {
        self.raw_within(Duration::from_secs(1), request).await
    }

    /// As [`Http::raw`], until nothing comes for `silence`.
    ///
    /// # Errors
    /// As [`Http::raw`].
    pub async fn raw_within(&self, silence: Duration, request: &[u8]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        // The server may answer and close before it has read all.
        let written = stream.write_all(request).await;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read) = tokio::time::timeout(silence, stream.read(&mut buffer)).await {
            match read {
                Ok(0) => break,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
                Err(error) if answer.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        if answer.is_empty() {
            written?;
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// `GET target` with the target sent as it is, which a client that knows URLs would tidy up.
    ///
    /// # Errors
    /// As [`Http::raw`].
    pub async fn get_raw(&self, target: &str) -> std::io::Result<String> {
        self.raw(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes()).await
    }
}

fn failure(error: &reqwest::Error, kind: fn(String) -> Failure) -> Failure {
    let kind = if error.is_timeout() { Failure::TooLate } else { kind };
    kind(format!("{error:?}"))
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// `cache` or `database`; empty for what is no answer about cities.
    pub fn source(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["source"].as_str().unwrap_or_default().to_owned()
    }

    /// Name and population of each city, in the answer's order.
    pub fn cities(&self) -> Vec<(String, Option<i64>)> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let cities = body["data"].as_array().cloned().unwrap_or_default();
        let city = |city: &Value| (city["name"].as_str().unwrap_or_default().to_owned(), city["population"].as_i64());
        cities.iter().map(city).collect()
    }

    /// Population of the city `name`, if the answer has it.
    pub fn population(&self, name: &str) -> Option<i64> {
        self.cities().into_iter().find(|(city, _)| city == name)?.1
    }
}
