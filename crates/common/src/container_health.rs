//! What the image's health check asks: does supervisord run all of its programs, and does the api answer?
//!
//! It is asked again and again, so it must cost nothing: `supervisorctl status` starts Python each time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::settings::{self, Http};

/// Limit for each of the two to answer: both do so within milliseconds.
const LIMIT: Duration = Duration::from_secs(2);

/// Bytes of an answer that are read at most: many times what supervisord writes about three programs.
const ANSWER_MAX: u64 = 1 << 20;

/// Where `supervisord.conf` has its socket.
const SOCKET: &str = "supervisor.sock";

/// A call of supervisord's XML-RPC interface ("XML-RPC API Documentation" in its manual), with the name and password that `supervisord.conf` gives its socket
/// ("local", "local"). Its answer has a structure for each program.
const QUESTION: &str = "POST /RPC2 HTTP/1.0\r\nAuthorization: Basic bG9jYWw6bG9jYWw=\r\nContent-Type: text/xml\r\n\
                        Content-Length: 99\r\n\r\n<?xml version=\"1.0\"?><methodCall>\
                        <methodName>supervisor.getAllProcessInfo</methodName></methodCall>";

/// Fails with what is wrong, unless supervisord runs every program and the api answers.
pub(crate) fn check(http: &Http) -> Result<(), String> {
    let folder = PathBuf::from(std::env::var_os("RUN_FOLDER").ok_or("RUN_FOLDER is not set")?);
    programs_run(&folder.join(SOCKET))?;
    api_answers(settings::reachable(&http.host), http.port)
}

fn programs_run(socket: &Path) -> Result<(), String> {
    let asked = UnixStream::connect(socket).and_then(|mut stream| {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        ask(&mut stream, QUESTION)
    });
    match asked {
        Ok(answer) => all_run(&answer),
        Err(error) => Err(format!("supervisord doesn't answer: {error}")),
    }
}

/// Reads supervisord's answer.
fn all_run(answer: &str) -> Result<(), String> {
    let programs: Vec<_> =
        answer.split("<struct>").skip(1).map(|it| (member(it, "name"), member(it, "statename"))).collect();
    let others: Vec<_> = programs
        .iter()
        .filter(|(_, state)| *state != "RUNNING")
        .map(|(name, state)| format!("{name} is {state}"))
        .collect();
    match (programs.is_empty(), others.is_empty()) {
        (true, _) => Err("supervisord names no program".to_owned()),
        (_, false) => Err(others.join(", ")),
        _ => Ok(()),
    }
}

/// The string that a member of an XML-RPC structure holds; empty where there is none.
fn member<'a>(structure: &'a str, name: &str) -> &'a str {
    let after =
        structure.split_once(&format!("<name>{name}</name>")).and_then(|(_, after)| after.split_once("<string>"));
    after.and_then(|(_, value)| value.split_once('<')).map_or("", |(value, _)| value)
}

fn api_answers(host: &str, port: u16) -> Result<(), String> {
    let asked = TcpStream::connect((host, port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        ask(&mut stream, "GET /health HTTP/1.0\r\n\r\n")
    });
    match asked {
        Ok(answer) if answer.split(' ').nth(1) == Some("200") => Ok(()),
        Ok(answer) => Err(format!("the api answers {}", answer.lines().next().unwrap_or("nothing"))),
        Err(error) => Err(format!("the api doesn't answer: {error}")),
    }
}

/// By HTTP 1.0, where the end of the connection is the end of the answer.
fn ask(stream: &mut (impl Read + Write), question: &str) -> io::Result<String> {
    stream.write_all(question.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(states: &[(&str, &str)]) -> String {
        let member = |name: &str, value: &str| {
            format!("<member>\n<name>{name}</name>\n<value><string>{value}</string></value>\n</member>\n")
        };
        let programs = states.iter().map(|(name, state)| {
            let (name, state) = (member("name", name) + &member("group", name), member("statename", state));
            format!("<value><struct>\n{name}{state}</struct></value>\n")
        });
        format!("HTTP/1.0 200 OK\r\n\r\n<?xml version='1.0'?>\n<methodResponse>{}", programs.collect::<String>())
    }

    #[test]
    fn the_question_says_how_long_it_is() {
        let (head, body) = QUESTION.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }

    #[test]
    fn all_must_run() {
        assert_eq!(all_run(&answer(&[("fastapi", "RUNNING"), ("kafka_consumer", "RUNNING")])), Ok(()));
        assert_eq!(
            all_run(&answer(&[("fastapi", "RUNNING"), ("kafka_consumer", "STOPPED"), ("pg_notify_worker", "BACKOFF")])),
            Err("kafka_consumer is STOPPED, pg_notify_worker is BACKOFF".to_owned())
        );
    }

    #[test]
    fn an_answer_about_nothing_is_no_good_news() {
        assert!(all_run("HTTP/1.0 401 Unauthorized\r\n\r\n").is_err());
        assert!(all_run(&answer(&[])).is_err());
    }
}
