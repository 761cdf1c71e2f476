//! Settings that are wrong: each program says so in one line and ends with 64.

use harness::{Program, settings};

const PROGRAMS: [&str; 3] = ["pg-notify-worker", "kafka-consumer", "api"];

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
        ("DB_HOST", ""),
        ("REDIS_HOST", ""),
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
