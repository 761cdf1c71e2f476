//! Notifications and messages made by hand, good and bad: nothing stops, nothing is lost.

use harness::{Record, System, eventually, holds};

use crate::TRAVEL_LIMIT;

/// The documented message; no key, no other field.
const BGR: &str = r#"{"action":"invalidate_cache","code":"BGR"}"#;

/// Waits until the code's answer isn't the cached one any more, so that the next one was read anew.
async fn drops(system: &System, code: &str, what: &str) {
    eventually(TRAVEL_LIMIT, &format!("{what} drops {code}"), async || {
        let source = system.get_city(code).await.source();
        holds(source == "database", source)
    })
    .await;
    system.cached(code, TRAVEL_LIMIT).await;
}

/// Makes sure that everything still works: a change travels.
async fn goes_on(system: &System) {
    system.cached("BGR", TRAVEL_LIMIT).await;
    system.database.execute("update city set population = population + 1 where name = 'Dobric'").await;
    system.agree(TRAVEL_LIMIT).await;
}

#[tokio::test]
async fn a_notification_by_hand_drops_its_code() {
    let system = System::start().await;
    for statement in ["select pg_notify('city_updates', 'BGR')", "notify city_updates, ' bgr '"] {
        system.cached("BGR", TRAVEL_LIMIT).await;
        system.database.execute(statement).await;
        drops(&system, "BGR", statement).await;
    }
    // What is no code harms nobody.
    let harmless = "select pg_notify('city_updates', repeat('x', 7000)), pg_notify('city_updates', '{\"a\"')";
    system.database.execute(harmless).await;
    goes_on(&system).await;
}

#[tokio::test]
async fn a_message_by_hand_works_in_any_partition_and_by_any_codec() {
    let system = System::start().await;
    for partition in 0..8 {
        system.topic.produce(Record { partition: Some(partition), ..Record::of(BGR) }).await;
        drops(&system, "BGR", &format!("a message without a key in partition {partition}")).await;
    }
    system.topic.produce(Record { key: Some(b"BGR".into()), ..Record::of(BGR) }).await;
    drops(&system, "BGR", "a message with its key").await;
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        // What can't be made smaller isn't compressed.
        let padded = format!("{BGR}{}", " ".repeat(5_000));
        system.topic.produce_with(codec, Record::of(padded)).await;
        drops(&system, "BGR", codec).await;
    }
}

#[tokio::test]
async fn a_message_from_kafkas_console_producer_drops_its_code() {
    let system = System::start().await;
    system.topic.console_producer(&[], format!("{BGR}\n").as_bytes());
    drops(&system, "BGR", "kafka-console-producer").await;
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let line = format!("{BGR}{}\n", " ".repeat(5_000));
        system.topic.console_producer(&["--compression-codec", codec], line.as_bytes());
        drops(&system, "BGR", codec).await;
    }
}

#[tokio::test]
async fn an_invalidation_of_everything_by_hand_drops_everything() {
    let system = System::start().await;
    for code in ["BGR", "FRA", "DEU"] {
        system.cached(code, TRAVEL_LIMIT).await;
    }
    system.topic.produce(Record { partition: Some(3), ..Record::of(r#"{"action":"invalidate_all"}"#) }).await;
    for code in ["BGR", "FRA", "DEU"] {
        drops(&system, code, "invalidate_all").await;
    }
    goes_on(&system).await;
}

#[tokio::test]
async fn what_is_no_message_lies_in_the_dead_letter_topic_and_nothing_stops() {
    let system = System::start().await;
    let nested = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let large = format!(r#"{{"action":"invalidate_cache","code":"{}"}}"#, "X".repeat(900_000));
    let bad: Vec<Option<Vec<u8>>> = vec![
        None,
        Some(b"".into()),
        Some(b"BGR".into()),
        Some(b"{\"action\":\"invalidate_cache\"".into()),
        Some(br#"{"action":"drop_table"}"#.into()),
        Some(br#"{"action":7,"code":"BGR"}"#.into()),
        Some(br#"{"action":"invalidate_cache","code":["BGR"]}"#.into()),
        Some(br#"{"action":"invalidate_cache"}"#.into()),
        Some(br#"{"action":"heartbeat","number":-1}"#.into()),
        Some(b"{\"action\":\"invalidate_cache\",\"code\":\"\xff\xfe\"}".into()),
        Some(b"\xff\xfe\x00".into()),
        Some(nested.into()),
        Some(large.into()),
    ];
    for (partition, payload) in (0..8).cycle().zip(bad.clone()) {
        let record = Record { partition: Some(partition), payload, key: Some(b"BGR".into()), ..Record::default() };
        system.topic.produce(record).await;
    }
    goes_on(&system).await;

    let dead = system.topic.dead_letters();
    let letters = eventually(TRAVEL_LIMIT, "all lie in the dead letter topic", async || {
        let letters = dead.read().await;
        holds(letters.len() == bad.len(), letters.len())?;
        Ok::<_, String>(letters)
    })
    .await;
    for letter in &letters {
        let header =
            |name: &str| String::from_utf8_lossy(letter.headers.get(name).map_or(b"", Vec::as_slice)).into_owned();
        assert_eq!(header("origin-topic"), system.topic.name, "{:?}", letter.headers);
        assert!(!header("origin-partition").is_empty() && !header("origin-offset").is_empty(), "{:?}", letter.headers);
        assert!(!header("reason").is_empty(), "{:?}", letter.headers);
        assert!(letter.payload.as_ref().is_none_or(|payload| payload.len() <= 64 * 1024));
        let cut =
            |payload: &Option<Vec<u8>>| payload.as_ref().map(|payload| payload[..payload.len().min(65_536)].to_vec());
        assert!(bad.iter().any(|payload| cut(payload) == letter.payload), "a letter that nobody wrote");
    }
}

#[tokio::test]
async fn what_is_odd_but_a_message_counts() {
    let system = System::start().await;
    for odd in [
        r#"{"action":"invalidate_cache","code":" bgr "}"#,
        r#"{"code":"BGR","action":"invalidate_cache","by":{"hand":[1,2,3]}}"#,
        r#" { "action" : "invalidate_cache" , "code" : "\u0042GR" } "#,
    ] {
        system.topic.produce(Record::of(odd)).await;
        drops(&system, "BGR", odd).await;
    }
    // Heartbeats by hand do nothing, and codes that nobody has drop nothing.
    for idle in [
        r#"{"action":"heartbeat","number":99999999}"#,
        r#"{"action":"invalidate_cache","code":"ZZZZZZ"}"#,
        r#"{"action":"invalidate_cache","code":""}"#,
    ] {
        system.topic.produce(Record { partition: Some(0), ..Record::of(idle) }).await;
    }
    goes_on(&system).await;
    assert_eq!(system.topic.dead_letters().read().await.len(), 0);
}

#[tokio::test]
async fn a_transaction_left_open_by_hand_hides_nothing() {
    let system = System::start().await;
    let open = system.topic.produce_in_open_transaction([Record::of(BGR)]).await;
    drops(&system, "BGR", "a message of an open transaction").await;
    goes_on(&system).await;
    drop(open);
}

#[cfg(feature = "kcat")]
#[tokio::test]
async fn a_message_from_kcat_drops_its_code() {
    use harness::tool::{feed, tool};

    let system = System::start().await;
    for options in [&[][..], &["-k", "BGR"], &["-z", "snappy"]] {
        let mut kcat = tool("kcat");
        kcat.args(["-P", "-b", &system.topic.broker, "-t", &system.topic.name]).args(options);
        feed(&mut kcat, BGR.as_bytes());
        drops(&system, "BGR", "kcat").await;
    }
}
