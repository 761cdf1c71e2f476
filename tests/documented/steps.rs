//! The documented commands in the order of a user's first hour: one function each, named for what must be seen.

use std::time::{Duration, Instant};

use harness::process::Signal;
use harness::{Load, Process, eventually, holds, oracle};
use serde_json::Value;

use crate::stack::{CONTAINERS, Stack};

/// A first build compiles librdkafka and the programs with whole-program optimisation.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What the documents say of `docker-compose ps`.
const HEALTHY_LIMIT: Duration = Duration::from_secs(60);

/// Until a line or an answer is there.
const LIMIT: Duration = Duration::from_secs(20);

/// `stop_grace_period` of the app, and what compose needs besides.
const DOWN_LIMIT: Duration = Duration::from_secs(75);

const CURL_BGR: &str = "curl http://localhost:8000/cities/BGR";

const UPDATE: &str = "docker exec postgres-tutorial psql -U postgres -d tutorial -c \"UPDATE city SET population = 999999 \
                      WHERE name = 'Dobric';\"";

const RUN: &str = "docker run -p 8000:8000 -e MINIO_ENDPOINT=http://minio-test:9000 -e DB_HOST=postgres-tutorial \
                   -e REDIS_HOST=redis-for-cache -e KAFKA_BOOTSTRAP_SERVERS=kafka-test:9092 cities-cache-app";

/// Names of the programs in supervisord, and in their log lines.
const PROGRAMS: [(&str, &str); 3] =
    [("fastapi", " api] "), ("kafka_consumer", " kafka_consumer] "), ("pg_notify_worker", " pg_notify_worker] ")];

pub(crate) struct Steps<'a> {
    stack: &'a Stack,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(stack: &'a Stack) -> Self {
        Self { stack }
    }

    pub(crate) async fn up_builds_and_starts_everything(&self) {
        self.stack.run_within(BUILD_LIMIT, "docker-compose up -d").await.succeeded();
    }

    pub(crate) async fn everything_is_healthy_within_a_minute(&self) {
        eventually(HEALTHY_LIMIT, "every service is healthy", async || {
            let listed = self.stack.run("docker-compose ps").await.succeeded();
            let healthy =
                |name: &&str| listed.lines.iter().any(|line| line.contains(*name) && line.contains("(healthy)"));
            holds(CONTAINERS.iter().all(healthy), &listed.lines)
        })
        .await;
    }

    pub(crate) async fn a_second_up_changes_nothing(&self) {
        let before = self.identities().await;
        for command in ["docker-compose up -d", "docker compose up -d"] {
            self.stack.run_within(BUILD_LIMIT, command).await.succeeded();
            assert_eq!(self.identities().await, before, "{command}");
        }
    }

    /// Ids and starts of all containers.
    async fn identities(&self) -> Vec<String> {
        let command = format!("docker inspect -f '{{{{.Id}}}} {{{{.State.StartedAt}}}}' {}", CONTAINERS.join(" "));
        self.stack.run(&command).await.succeeded().lines
    }

    pub(crate) async fn health_is_ok(&self) {
        let health = self.stack.run("curl http://localhost:8000/health").await.succeeded();
        assert!(health.line("{").starts_with(r#"{"status":"ok""#), "{health:?}");
    }

    pub(crate) async fn cities_come_from_the_database_then_from_the_cache(&self) {
        let first = self.curl_bgr().await;
        assert_eq!(first["source"], "database");
        let cached = eventually(LIMIT, "the answer comes from the cache", async || {
            let answer = self.curl_bgr().await;
            holds(answer["source"] == "cache", &answer["source"])?;
            Ok::<_, String>(answer)
        })
        .await;
        assert_eq!(cached["data"], first["data"]);
    }

    async fn curl_bgr(&self) -> Value {
        let answer = self.stack.run(CURL_BGR).await.succeeded();
        serde_json::from_str(answer.line("{")).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    pub(crate) async fn an_update_is_answered_at_once(&self) {
        let update = self.stack.run(UPDATE).await.succeeded();
        assert_eq!(update.lines, ["UPDATE 1"]);
        // The start of `curl` takes longer than the way of the change.
        let population = population_of_dobric(&self.curl_bgr().await);
        assert_eq!(population, Some(999_999), "the data are new");
    }

    pub(crate) async fn the_sample_image_is_served(&self) {
        let answer = self.stack.http().get("/image/sofia.png").await.unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"));
        assert!(answer.body.starts_with(b"\x89PNG"), "{} bytes", answer.body.len());
        assert_eq!(self.stack.http().get("/image/missing.png").await.unwrap().status, 404);
    }

    pub(crate) async fn logs_name_all_three_programs(&self) {
        for command in ["docker-compose logs -f app", "docker logs -f cities-cache-app"] {
            let follower = self.stack.start(command);
            for (_, target) in PROGRAMS {
                follower.wait_log(LIMIT, target).await;
            }
            // A record is whole and begins its line: its head stands once in it.
            let torn: Vec<_> = follower.log().into_iter().filter(|line| line.matches("Z INFO ").count() > 1).collect();
            assert!(torn.is_empty(), "{command}: {torn:#?}");
        }
    }

    pub(crate) async fn status_shows_three_running_programs(&self) {
        let status = self.stack.run("docker exec cities-cache-app supervisorctl status").await.succeeded();
        let mut running: Vec<_> = status
            .lines
            .iter()
            .filter(|line| line.contains("RUNNING"))
            .filter_map(|line| line.split(' ').next())
            .collect();
        running.sort_unstable();
        assert_eq!((running, status.lines.len()), (vec!["fastapi", "kafka_consumer", "pg_notify_worker"], 3));
    }

    pub(crate) async fn the_health_check_names_the_program_that_is_not_running(&self) {
        let check = "docker exec cities-cache-app api --healthy";
        self.stack.run(check).await.succeeded();
        for (name, _) in PROGRAMS {
            self.stack.run(&format!("docker exec cities-cache-app supervisorctl stop {name}")).await.succeeded();
            let ended = self.stack.run(check).await;
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert_eq!(ended.lines, [format!("api: {name} is STOPPED")]);
            self.stack.run(&format!("docker exec cities-cache-app supervisorctl start {name}")).await.succeeded();
        }
        self.stack.run(check).await.succeeded();
    }

    pub(crate) async fn tail_shows_one_program_live(&self) {
        let followers = PROGRAMS
            .map(|(name, _)| self.stack.start(&format!("docker exec cities-cache-app supervisorctl tail -f {name}")));
        for (follower, (_, target)) in followers.iter().zip(PROGRAMS) {
            follower.wait_log(LIMIT, target).await;
        }
        let before: Vec<_> = followers.iter().map(|follower| follower.log().len()).collect();
        // Something that each of them has to say.
        self.stack.run("docker-compose restart -t 1 redis").await.succeeded();
        let end = "docker exec postgres-tutorial psql -U postgres -d tutorial -c \"select pg_terminate_backend(pid) from \
                   pg_stat_activity where application_name = 'pg-notify-worker'\"";
        self.stack.run(end).await.succeeded();
        for ((follower, (name, target)), before) in followers.iter().zip(PROGRAMS).zip(before) {
            eventually(LIMIT, &format!("{name} says something new"), async || {
                holds(follower.log().len() > before, follower.log())
            })
            .await;
            let records = follower.log().into_iter().filter(|line| line.starts_with('['));
            let foreign: Vec<_> = records.filter(|line| !line.contains(target)).collect();
            assert!(foreign.is_empty(), "{name}: {foreign:#?}");
        }
        self.everything_is_healthy_within_a_minute().await;
        self.agrees().await;
    }

    /// Every answer is what the database holds.
    async fn agrees(&self) {
        oracle::agrees(LIMIT, &self.stack.database(), &self.stack.http()).await;
    }

    pub(crate) async fn stop_and_start_of_the_api_cut_no_answer(&self) {
        let reads = Load::reads(&self.stack.http(), 8, &[200]);
        eventually(LIMIT, "the readers are at work", async || holds(reads.done() > 100, reads.done())).await;
        self.stack.run("docker exec cities-cache-app supervisorctl stop fastapi").await.succeeded();
        assert!(self.stack.http().get("/health").await.is_err(), "the API is away");
        self.stack.run("docker exec cities-cache-app supervisorctl start fastapi").await.succeeded();
        let done = reads.done();
        eventually(LIMIT, "the readers go on", async || holds(reads.done() > done, reads.done())).await;
        reads.stop().await;
    }

    pub(crate) async fn restart_of_the_consumer_loses_nothing(&self) {
        let writes = Load::writes(&self.stack.database()).await;
        for _ in 0..3 {
            self.stack.run("docker exec cities-cache-app supervisorctl restart kafka_consumer").await.succeeded();
        }
        writes.stop().await;
        self.agrees().await;
    }

    pub(crate) async fn down_ends_everything_in_time(&self) {
        let (since, begun) = (now(), Instant::now());
        self.stack.run("docker-compose down").await.succeeded();
        assert!(begun.elapsed() < DOWN_LIMIT, "{:?}", begun.elapsed());
        let deaths = format!(
            "docker events --since {since} --until {} --filter event=die --format \
             '{{{{.Actor.Attributes.name}}}} {{{{.Actor.Attributes.exitCode}}}}'",
            now() + 1
        );
        let deaths = self.stack.run(&deaths).await.succeeded().lines;
        assert!(deaths.contains(&"cities-cache-app 0".to_owned()), "{deaths:?}");
        for container in CONTAINERS {
            let code = deaths.iter().find_map(|line| line.strip_prefix(container)).unwrap_or_default().trim();
            assert!(matches!(code, "0" | "143" | "2"), "{container}: {deaths:?}");
        }
    }

    pub(crate) async fn up_again_goes_on_with_the_same_data(&self) {
        self.stack.run_within(BUILD_LIMIT, "docker-compose up -d").await.succeeded();
        self.everything_is_healthy_within_a_minute().await;
        assert_eq!(population_of_dobric(&self.curl_bgr().await), Some(999_999));
        self.agrees().await;
    }

    pub(crate) async fn the_image_builds_by_both_paths(&self) {
        for command in ["docker build -t cities-cache-app ./app", "docker build -t cities-cache-app ."] {
            self.stack.run_within(BUILD_LIMIT, command).await.succeeded();
        }
    }

    pub(crate) async fn run_works_on_the_network_of_the_services(&self) {
        // Its place on the host's port is free then.
        self.stack.run("docker-compose stop app").await.succeeded();
        let container = self.stack.start(&named(RUN, "--network tutorial_network"));
        eventually(HEALTHY_LIMIT, "the container answers", async || {
            let answer = self.stack.http().get("/cities/BGR").await?;
            holds(answer.status == 200 && answer.source() == "cache", answer.status)
        })
        .await;
        self.agrees().await;
        ends_well(container).await;
    }

    pub(crate) async fn run_without_a_network_stays_up_and_says_what_is_missing(&self) {
        let container = self.stack.start(&named(RUN, ""));
        eventually(HEALTHY_LIMIT, "the container answers", async || {
            let answer = self.stack.http().get("/health").await?;
            holds(answer.status == 200, answer.status)
        })
        .await;
        let answer = self.stack.http().get("/cities/BGR").await.unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (503, "application/problem+json"));
        for server in ["postgres", "redis", "kafka"] {
            eventually(LIMIT, &format!("{server} is named"), async || {
                let log = container.log();
                holds(log.iter().any(|line| line.contains("WARN") && line.to_lowercase().contains(server)), log)
            })
            .await;
        }
        ends_well(container).await;
    }

    pub(crate) async fn run_with_a_wrong_setting_ends_with_one_line(&self) {
        let ended = self.stack.run("docker run --rm -e DB_PORT=abc cities-cache-app").await;
        assert_eq!((ended.code, ended.lines.len()), (Some(64), 1), "{ended:?}");
        assert!(ended.lines[0].contains("DB_PORT"), "{ended:?}");
    }

    pub(crate) async fn run_takes_the_variables_that_have_a_default_in_the_image(&self) {
        // Nothing is served to anybody: only what the programs are told is looked at.
        for (options, expected) in [
            ("--hostname a-host", ["LOG_TO=both", "KAFKA_GROUP_INSTANCE_ID=a-host"]),
            ("-e LOG_TO=stderr -e KAFKA_GROUP_INSTANCE_ID=mine", ["LOG_TO=stderr", "KAFKA_GROUP_INSTANCE_ID=mine"]),
        ] {
            let container = self.stack.start(&named("docker run cities-cache-app", options));
            let environment = "docker exec cities-cache-run sh -c 'tr \"\\0\" \"\\n\" < /proc/$(supervisorctl pid kafka_consumer)/environ'";
            eventually(LIMIT, "the consumer has its variables", async || {
                let lines = self.stack.run(environment).await.lines;
                holds(expected.iter().all(|variable| lines.iter().any(|line| line == variable)), lines)
            })
            .await;
            ends_well(container).await;
        }
    }
}

/// The documented command, with a name by which the test can remove it, and what a user may add.
fn named(run: &str, options: &str) -> String {
    run.replacen("docker run", &format!("docker run --rm --name cities-cache-run {options}"), 1)
}

/// `docker run` in the foreground passes the signal on, and ends as the container does.
async fn ends_well(mut container: Process) {
    container.signal(Signal::TERM);
    assert_eq!(container.wait_exit(DOWN_LIMIT).await.code(), Some(0), "{:#?}", container.log());
}

fn population_of_dobric(answer: &Value) -> Option<i64> {
    let cities = answer["data"].as_array()?;
    cities.iter().find(|city| city["name"] == "Dobric")?["population"].as_i64()
}

/// Seconds since 1970, as `docker events` wants them.
fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("the clock is right").as_secs()
}
