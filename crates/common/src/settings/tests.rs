//! What the settings accept, and that the README lists them all.

use super::{Environment, Images, Settings};

fn read(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let mut env = Environment::new(variables).unwrap();
    let settings = Settings::read(&mut env);
    (settings, env.into_problems())
}

#[test]
fn without_any_variable_the_documented_defaults_hold() {
    let (settings, problems) = read(&[]);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((settings.postgres.host.as_str(), settings.postgres.port), ("localhost", 5432));
    assert_eq!((settings.postgres.database.as_str(), settings.postgres.user.as_str()), ("tutorial", "postgres"));
    assert_eq!(settings.kafka.bootstrap_servers, "localhost:9092");
    assert!(matches!(settings.images, Images::Folder(_)));
}

#[test]
fn every_wrong_variable_is_named_in_a_line_of_its_own() {
    let (_, problems) = read(&[
        ("DB_PORT", "abc"),
        ("REDIS_PORT", "65536"),
        ("HTTP_PORT", "0"),
        ("LOG_TO", "file"),
        ("DB_HOST", ""),
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
    let (_, problems) = read(&[("DB_PORT", "1\n2")]);
    assert_eq!(problems.len(), 1);
    assert!(!problems[0].contains('\n'));
}

#[test]
fn a_statement_must_end_before_the_bound_does() {
    let (_, problems) = read(&[("BOUND_MS", "1000")]);
    assert_eq!(problems, ["DB_STATEMENT_TIMEOUT_MS must be below BOUND_MS"]);
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let variables = [("DB_USER".into(), std::ffi::OsString::from_vec(vec![0xff]))];
    let mut env = Environment::new(variables.into_iter()).unwrap();
    Settings::read(&mut env);
    assert_eq!(env.into_problems(), ["DB_USER is not valid UTF-8"]);
}

#[test]
fn passwords_appear_in_no_output() {
    let (settings, _) = read(&[
        ("DB_PASSWORD", "swordfish"),
        ("MINIO_SECRET_KEY", "swordfish"),
        ("MINIO_ENDPOINT", "http://minio-test:9000"),
    ]);
    assert!(!format!("{settings:?}").contains("swordfish"));
}

/// Names in the source: every quoted word of capitals.
fn setting_names() -> impl Iterator<Item = &'static str> {
    let source = include_str!("read.rs");
    source.split('"').filter(|text| {
        text.len() > 3 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') && !text.ends_with('_')
    })
}

#[test]
fn the_readme_lists_every_setting() {
    let readme = include_str!("../../../../README.md");
    assert!(setting_names().count() > 30);
    for name in setting_names() {
        let row = readme.lines().any(|line| line.starts_with("| `") && line.contains(&format!("`{name}`")));
        assert!(row, "{name} has no row in the README's table");
    }
}
