//! Settings and arguments: what is wrong is said in one line each, and ends a program with 64.

use std::time::Duration;

use harness::{Program, free_port, settings};

const PROGRAMS: [&str; 3] = ["pg-notify-worker", "kafka-consumer", "api"];

/// Until a line is there.
const LIMIT: Duration = Duration::from_secs(10);

/// `EX_USAGE`.
const WRONG: Option<i32> = Some(64);

#[test]
fn a_wrong_setting_is_one_line_and_exit_code_64() {
    for (name, value) in [
        ("DB_PORT", "abc"),
        ("DB_PORT", "-1"),
        ("REDIS_PORT", "65536"),
        ("HTTP_PORT", "0"),
        ("DB_POOL_SIZE", "1.5"),
        ("SHARDS", "0"),
        ("LOG_LEVEL", "loud"),
        ("LOG_TO", "file"),
        ("ALLOW_PUBLICATION_FOR_ALL_TABLES", "maybe"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka-test"),
        ("KAFKA_TOPIC", "city updates"),
        ("MINIO_ENDPOINT", "minio-test:9000"),
        ("DB_HOST", "postgres://localhost"),
        ("REDIS_HOST", "redis://127.0.0.1:6379"),
        ("REDIS_HOST", "127.0.0.1 "),
        ("HTTP_HOST", "nonsense"),
        ("DRAIN_LIMIT_MS", "9501"),
        ("DB_SSLMODE", "require"),
        ("REDIS_URL", "rediss://127.0.0.1"),
        ("KAFKA_SASL_MECHANISM", "PLAIN"),
    ] {
        for program in PROGRAMS {
            for arguments in [&["--check"][..], &[]] {
                let output = Program::run(program, &settings([(name, value)]), arguments);
                let lines = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), WRONG, "{program} with {name}={value}");
                assert!(lines.contains(name) && lines.lines().count() == 1, "{program} with {name}={value}: {lines}");
                assert!(output.stdout.is_empty(), "{program} with {name}={value}");
            }
        }
    }
}

#[test]
fn every_wrong_setting_has_a_line_of_its_own() {
    let wrong = settings([("DB_PORT", "abc"), ("LOG_TO", "file"), ("REDIS_TIMEOUT_MS", "soon")]);
    for program in PROGRAMS {
        let output = Program::run(program, &wrong, &["--check"]);
        let lines = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), lines.lines().count()), (WRONG, 3), "{lines}");
    }
}

#[test]
fn right_settings_pass_the_check_without_a_word() {
    for program in PROGRAMS {
        let output = Program::run(program, &settings([("DB_PORT", "5433")]), &["--check"]);
        assert_eq!((output.status.code(), output.stdout, output.stderr), (Some(0), vec![], vec![]), "{program}");
    }
}

#[test]
fn an_unknown_setting_is_a_warning_and_no_more() {
    let output = Program::run("api", &settings([("REDIS_HOTS", "redis")]), &["--check"]);
    let lines = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines, "api: REDIS_HOTS is not a setting and does nothing; the nearest is REDIS_HOST\n");
}

#[tokio::test]
async fn what_kubernetes_sets_for_a_service_is_one_warning_in_the_log_and_the_default_holds() {
    let links = settings([
        ("REDIS_SERVICE_HOST", "10.0.0.1"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
    ]);
    let consumer = Program::kafka_consumer(links);
    let line = consumer.wait_log(LIMIT, "Kubernetes").await;
    assert!(line.contains("WARN") && line.contains("REDIS_PORT is 6379"), "{line}");
    assert!(line.contains("enableServiceLinks: false"), "{line}");
    assert_eq!(consumer.log_lines("10.0.0.1"), [""; 0]);
}

#[tokio::test]
async fn an_ipv6_address_in_brackets_is_one_for_the_clients_too() {
    // Nobody listens there, which only a client that understands the address finds out.
    let port = free_port().to_string();
    let nobody = [("DB_HOST", "[::1]"), ("DB_PORT", &port), ("REDIS_HOST", "[::1]"), ("REDIS_PORT", &port)];
    let (api, _) = Program::api(settings(nobody));
    for server in ["PostgreSQL", "Redis"] {
        let line = api.wait_log(LIMIT, &format!("{server} can't be reached")).await;
        assert!(line.contains("os error") && !line.contains("lookup"), "{line}");
    }
}

#[test]
fn help_and_version_are_printed() {
    for program in PROGRAMS {
        let help = Program::run(program, &vec![], &["--help"]);
        let text = String::from_utf8(help.stdout).unwrap();
        assert_eq!((help.status.code(), help.stderr), (Some(0), vec![]), "{program}");
        assert!(text.contains(&format!("Usage: {program}")) && text.contains("DB_HOST=localhost"), "{text}");
        let version = Program::run(program, &vec![], &["--version"]);
        assert_eq!(version.status.code(), Some(0), "{program}");
        assert!(String::from_utf8(version.stdout).unwrap().starts_with(&format!("{program} ")), "{program}");
    }
}

#[test]
fn an_argument_that_is_none_is_refused() {
    for program in PROGRAMS {
        assert_eq!(Program::run(program, &vec![], &["--help-me"]).status.code(), WRONG, "{program}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let secret = settings([("DB_PASSWORD", "swordfish"), ("MINIO_SECRET_KEY", "swordfish"), ("DB_PORT", "abc")]);
    for program in PROGRAMS {
        let output = Program::run(program, &secret, &["--check"]);
        assert!(!String::from_utf8(output.stderr).unwrap().contains("swordfish"), "{program}");
    }
}
