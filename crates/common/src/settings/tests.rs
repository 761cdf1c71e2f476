//! What the settings accept, and what they say about the rest.

use secrecy::ExposeSecret;

use super::table::ALL;
use super::{Images, Settings};

fn read(variables: &[(&str, &str)]) -> Result<(Settings, Vec<String>), Vec<String>> {
    Settings::read(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn right(variables: &[(&str, &str)]) -> Settings {
    let (settings, warnings) = read(variables).unwrap_or_else(|problems| panic!("{variables:?}: {problems:?}"));
    assert_eq!(warnings, [""; 0]);
    settings
}

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    read(variables).err().unwrap_or_else(|| panic!("{variables:?} are taken for right"))
}

#[test]
fn without_any_variable_the_documented_defaults_hold() {
    let settings = right(&[]);
    assert_eq!((settings.postgres.host.as_str(), settings.postgres.port), ("localhost", 5432));
    assert_eq!((settings.postgres.database.as_str(), settings.postgres.user.as_str()), ("tutorial", "postgres"));
    assert_eq!(settings.kafka.bootstrap_servers, "localhost:9092");
    assert_eq!(
        (settings.kafka.replication, settings.kafka.group_instance_id, settings.http.workers),
        (None, None, None)
    );
    assert!(matches!(settings.images, Images::Folder(_)));
}

#[test]
fn every_default_is_a_right_value() {
    for setting in ALL {
        assert!(setting.default_is_right(), "{}", setting.name());
    }
}

#[test]
fn every_setting_is_read() {
    let source = include_str!("read.rs");
    for setting in ALL {
        assert!(source.contains(&format!("(&{})", setting.name())), "{} does nothing", setting.name());
    }
}

#[test]
fn every_wrong_variable_is_named_in_a_line_of_its_own() {
    let problems = problems(&[
        ("DB_PORT", "abc"),
        ("REDIS_PORT", "65536"),
        ("HTTP_PORT", "0"),
        ("LOG_TO", "file"),
        ("DB_HOST", "a b"),
        ("DB_POOL_SIZE", "-1"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("REDIS_KEY_PREFIX", "{a}"),
        ("MINIO_ENDPOINT", "minio-test:9000"),
        ("ALLOW_PUBLICATION_FOR_ALL_TABLES", "yes"),
    ]);
    let named: Vec<_> = problems.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        named,
        [
            "DB_HOST",
            "DB_PORT",
            "DB_POOL_SIZE",
            "REDIS_PORT",
            "REDIS_KEY_PREFIX",
            "KAFKA_BOOTSTRAP_SERVERS",
            "HTTP_PORT",
            "MINIO_ENDPOINT",
            "ALLOW_PUBLICATION_FOR_ALL_TABLES",
            "LOG_TO"
        ]
    );
    assert_eq!(problems[1], "DB_PORT must be a whole number from 1 to 65535, but is `abc`");
}

#[test]
fn a_value_with_a_line_break_stays_one_line() {
    assert_eq!(problems(&[("DB_PORT", "1\n2")]), [r"DB_PORT must be a whole number from 1 to 65535, but is `1\n2`"]);
}

#[test]
fn an_empty_variable_counts_as_unset_but_for_the_password() {
    let all: Vec<_> = ALL.iter().map(|setting| (setting.name(), "")).chain([("DB_SSLMODE", " ")]).collect();
    let settings = right(&all);
    assert_eq!((settings.redis.host.as_str(), settings.http.port), ("localhost", 8000));
    assert!(settings.postgres.password.is_none());
    assert_eq!(right(&[]).postgres.password.unwrap().expose_secret(), "postgres");
}

#[test]
fn words_are_understood_in_any_case() {
    use log::LevelFilter;
    for (word, level) in [("WARNING", LevelFilter::Warn), ("Warn", LevelFilter::Warn), ("DEBUG", LevelFilter::Debug)] {
        assert_eq!(right(&[("LOG_LEVEL", word)]).logging.level, level);
    }
    assert!(right(&[("LOG_TO", "Both")]).logging.both);
    assert!(right(&[("ALLOW_PUBLICATION_FOR_ALL_TABLES", "TRUE")]).relay.publication_for_all_tables);
}

#[test]
fn hosts_are_names_and_addresses_and_nothing_else() {
    for (written, host) in [
        ("localhost", "localhost"),
        ("redis-for-cache", "redis-for-cache"),
        ("app_redis_1", "app_redis_1"),
        ("db.example.com.", "db.example.com."),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ] {
        let settings = right(&[("REDIS_HOST", written), ("DB_HOST", written)]);
        assert_eq!((settings.redis.host.as_str(), settings.postgres.host.as_str()), (host, host));
    }
    for wrong in [
        "redis://127.0.0.1:6379",
        "127.0.0.1 ",
        " localhost",
        "localhost:6379",
        "127.0.0.1:6379",
        "[::1]:6379",
        "localhost/0",
        "[localhost]",
        "10.0.0",
        "256.0.0.1",
        "a,b",
        "-a",
        "a..b",
        "süd",
    ] {
        for name in ["REDIS_HOST", "DB_HOST"] {
            let problems = problems(&[(name, wrong)]);
            assert_eq!(problems.len(), 1, "{name}={wrong}");
            assert!(problems[0].starts_with(&format!("{name} must be a host name")), "{problems:?}");
        }
    }
    assert_eq!(right(&[("DB_HOST", "/var/run/postgresql")]).postgres.host, "/var/run/postgresql");
    assert_eq!(problems(&[("REDIS_HOST", "/run/redis.sock")]).len(), 1);
}

#[test]
fn the_api_listens_on_addresses_alone() {
    for (written, host) in [("0.0.0.0", "0.0.0.0"), ("[::]", "::"), ("::1", "::1"), ("localhost", "localhost")] {
        assert_eq!(right(&[("HTTP_HOST", written)]).http.host, host);
    }
    for wrong in ["nonsense", "*", "0.0.0.0:8000", "http://0.0.0.0", "127.0.0.1 "] {
        let problems = problems(&[("HTTP_HOST", wrong)]);
        let expected = "HTTP_HOST must be an IP address of this machine, or `localhost`";
        assert_eq!(problems, [format!("{expected}, but is `{wrong}`")]);
    }
}

#[test]
fn brokers_are_written_as_the_client_wants_them() {
    for (written, brokers) in [
        ("kafka-test:9092", "kafka-test:9092"),
        ("a:9092, b:9093 ,[::1]:9094", "a:9092,b:9093,[::1]:9094"),
        ("::1:9092", "[::1]:9092"),
    ] {
        assert_eq!(right(&[("KAFKA_BOOTSTRAP_SERVERS", written)]).kafka.bootstrap_servers, brokers);
    }
    for wrong in
        ["kafka", "kafka:0", "kafka:65536", "PLAINTEXT://kafka:9092", "kafka:9092/", "a:1,,b:1", "a b:1", "fe80::1"]
    {
        assert_eq!(problems(&[("KAFKA_BOOTSTRAP_SERVERS", wrong)]).len(), 1, "{wrong}");
    }
}

#[test]
fn an_endpoint_has_a_scheme_and_no_path() {
    for (written, is) in [
        ("http://minio-test:9000", "http://minio-test:9000"),
        ("https://s3.example.com", "https://s3.example.com"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
    ] {
        let Images::Store { endpoint, .. } = right(&[("MINIO_ENDPOINT", written)]).images else { panic!("{written}") };
        assert_eq!(endpoint, is);
    }
    for wrong in
        ["minio-test:9000", "ftp://a:1", "http://", "http://a:9000/b", "http://a:9000 ", "http://a:b", "http://a?b"]
    {
        assert_eq!(problems(&[("MINIO_ENDPOINT", wrong)]).len(), 1, "{wrong}");
    }
}

#[test]
fn times_that_contradict_each_other_are_named_together() {
    for (variables, problem) in [
        (vec![("BOUND_MS", "1000")], "DB_STATEMENT_TIMEOUT_MS (1500 ms) must be below BOUND_MS (1000 ms)"),
        (
            vec![("HTTP_REQUEST_LIMIT_MS", "1500")],
            "DB_STATEMENT_TIMEOUT_MS (1500 ms) must be below HTTP_REQUEST_LIMIT_MS (1500 ms)",
        ),
        (
            vec![("HEARTBEAT_INTERVAL_MS", "501")],
            "HEARTBEAT_INTERVAL_MS (501 ms) must be at most a quarter of BOUND_MS (2000 ms)",
        ),
    ] {
        assert_eq!(problems(&variables), [problem]);
    }
    right(&[("HEARTBEAT_INTERVAL_MS", "500")]);
}

/// The whole seconds that a line of a configuration file gives for `key`.
fn seconds<'a>(file: &'a str, key: &'a str) -> impl Iterator<Item = u64> + 'a {
    let values = file.lines().filter_map(move |line| line.trim().strip_prefix(key));
    values.map(|value| value.trim().trim_end_matches('s').parse().unwrap())
}

#[test]
fn supervisord_and_compose_wait_longer_than_the_longest_drain() {
    let supervisord = include_str!("../../../../supervisord.conf");
    let waits: Vec<_> = seconds(supervisord, "stopwaitsecs=").collect();
    assert_eq!(waits.len(), 3);
    assert!(waits.iter().all(|wait| wait * 1_000 > super::limits::DRAIN_LIMIT_MAX_MS));
    // One after the other, and a second each.
    let grace = include_str!("../../../../docker-compose.yml").split("\n  postgres:").next().unwrap();
    let grace: Vec<_> = seconds(grace, "stop_grace_period:").collect();
    assert!(matches!(grace[..], [grace] if grace > waits.iter().sum::<u64>() + 3), "{grace:?}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let variables = [("DB_USER".into(), std::ffi::OsString::from_vec(vec![0xff]))];
    assert_eq!(Settings::read(variables.into_iter()).unwrap_err(), ["DB_USER is not valid UTF-8"]);
}

#[test]
fn passwords_appear_in_no_output() {
    let settings = right(&[
        ("DB_PASSWORD", "swordfish"),
        ("MINIO_SECRET_KEY", "swordfish"),
        ("MINIO_ENDPOINT", "http://minio-test:9000"),
    ]);
    assert!(!format!("{settings:?}").contains("swordfish"));
    for (name, value) in [
        ("DB_HOST", "postgres://postgres:swordfish@localhost/tutorial"),
        ("DB_HOST", "host=localhost password=swordfish"),
        ("REDIS_HOST", "redis://:swordfish@localhost"),
        ("MINIO_ENDPOINT", "http://minioadmin:swordfish@minio-test:9000"),
        ("DB_PASSWORD_FILE", "swordfish"),
    ] {
        let problems = problems(&[(name, value)]);
        assert!(problems.len() == 1 && !problems[0].contains("swordfish"), "{problems:?}");
    }
}
