//! Numbers of any type, exactly as PostgreSQL holds them; and data that can't be read, which make one answer wrong and
//! nothing else.

use harness::{Database, Settings, eventually};

use crate::setup::{SOON, Setup, prepare};

/// Adopted tables whose population is of this type, with these values, in Bulgaria; France is well.
async fn setup(kind: &str, values: &[&str]) -> Setup {
    let database = Database::new().await;
    let tables = format!(
        "create table country (code text, name text);
         create table city (name text, countrycode text, population {kind});
         insert into country values ('BGR', 'Bulgaria'), ('FRA', 'France');
         insert into city values ('Paris', 'FRA', 7)"
    );
    database.execute(&tables).await;
    for (number, value) in values.iter().enumerate() {
        let city = format!("insert into city values ('{number}', 'BGR', {value})");
        database.execute(&city).await;
    }
    prepare(&database, "").await;
    Setup::on(database, Settings::new()).await
}

/// The spellings of the numbers, in the answer's order.
fn numbers(answer: &harness::Answer) -> Vec<String> {
    let text = answer.text();
    let behind = text.split(r#""population":"#).skip(1);
    behind.map(|rest| rest[..rest.find('}').unwrap()].to_owned()).collect()
}

#[tokio::test]
async fn a_number_of_any_type_is_exact_and_what_json_has_none_for_is_null_and_last() {
    let long = "12345678901234567890.0987654321";
    let cases: [(&str, &[&str], &[&str]); 7] = [
        ("smallint", &["1", "-32768", "null", "32767"], &["32767", "1", "-32768", "null"]),
        ("integer", &["2147483647", "0"], &["2147483647", "0"]),
        ("bigint", &["9223372036854775807", "-1"], &["9223372036854775807", "-1"]),
        (
            "numeric",
            &["2000.5", "'NaN'", long, "1e25", "null", "'Infinity'", "5.00", "'-Infinity'"],
            &["10000000000000000000000000", long, "2000.5", "5.00"],
        ),
        ("numeric(10, 2)", &["2000.5"], &["2000.50"]),
        ("real", &["0.1", "'NaN'", "16777216"], &["1.6777216e+07", "0.1", "null"]),
        (
            "double precision",
            &["0.1", "'-Infinity'", "1e25", "0.30000000000000004"],
            &["1e+25", "0.30000000000000004", "0.1", "null"],
        ),
    ];
    for (kind, values, expected) in cases {
        let setup = setup(kind, values).await;
        for source in ["database", "cache"] {
            let answer = setup.get("BGR").await;
            assert_eq!((answer.status, answer.source().as_str()), (200, source), "{kind}: {}", answer.text());
            let found = numbers(&answer);
            assert_eq!(&found[..expected.len()], expected, "{kind}");
            assert!(found[expected.len()..].iter().all(|number| number == "null"), "{kind}: {found:?}");
            assert_eq!(found.len(), values.len(), "{kind}");
        }
    }
}

#[tokio::test]
async fn what_becomes_null_stands_among_the_nulls_by_name() {
    let setup = setup("numeric", &["'NaN'", "null", "'Infinity'", "1", "null", "'-Infinity'"]).await;
    let names: Vec<_> = setup.get("BGR").await.cities().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["3", "0", "1", "2", "4", "5"]);
}

#[tokio::test]
async fn floats_are_exact_although_the_database_says_otherwise() {
    let database = Database::new().await;
    database.execute(&format!("alter database {} set extra_float_digits = -15", database.name)).await;
    let tables = "create table country (code text, name text);
                  create table city (name text, countrycode text, population double precision);
                  insert into city values ('Sofija', 'BGR', 1122302.25)";
    database.execute(tables).await;
    prepare(&database, "").await;
    let setup = Setup::on(database, Settings::new()).await;
    assert_eq!(numbers(&setup.get("BGR").await), ["1122302.25"]);
}

/// BGR gets a 503 that says why, in one line of the log however often; all others are answered, without a new connection.
async fn is_the_fault_of_one_code(setup: &Setup, why: &str) {
    let sessions = "select string_agg(pid::text, ' ' order by pid) from pg_stat_activity
                    where application_name = 'api' and datname = current_database() and query like '%is_country%'";
    assert_eq!(setup.get("FRA").await.status, 200);
    assert_eq!(setup.get("BGR").await.status, 503);
    let before = setup.database.text(sessions).await;
    for _ in 0..5 {
        let answer = setup.get("BGR").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{}", answer.text());
        assert!(answer.json()["type"].as_str().unwrap().ends_with(":unreadable-data"), "{}", answer.text());
        setup.invalidate("FRA").await;
        assert_eq!(setup.get("FRA").await.population("Paris"), Some(7));
    }
    assert_eq!(setup.database.text(sessions).await, before, "the connections are the same");
    assert_eq!(setup.entry("BGR").await, None, "no lease is left");
    let lines = setup.api.log_lines("the data of `BGR` can't be read");
    assert!(lines.len() == 1 && lines[0].contains(why), "{:#?}", setup.api.log());
    let ready = setup.http.get("/readyz").await.unwrap();
    assert!(ready.status == 200 && ready.text().contains(r#""database":true"#), "{}", ready.text());
    setup.http.fails("cities", "codes whose data can't be read: 1").await.unwrap();
    assert_eq!(setup.http.get("/status").await.unwrap().json()["cities"]["unreadable"].to_string(), r#"["BGR"]"#);
}

/// It is read again, and said so.
async fn is_over(setup: &Setup) {
    setup.answered_from("BGR", "cache").await;
    setup.api.wait_log(SOON, "the data of `BGR` are read again").await;
    let is_over = async || setup.http.fails("cities", "").await.err().ok_or("it still fails");
    eventually(SOON, "/status doesn't name it any more", is_over).await;
}

#[tokio::test]
async fn a_name_whose_bytes_are_no_text_is_the_fault_of_one_code() {
    let database = Database::with_encoding("SQL_ASCII").await;
    let tables = "create table country (code text, name text);
                  create table city (name text, countrycode text, population integer);
                  insert into city values (E'N\\xeemes', 'BGR', 1), ('Paris', 'FRA', 7)";
    database.execute(&format!("set client_encoding = 'SQL_ASCII'; {tables}")).await;
    prepare(&database, "").await;
    let setup = Setup::on(database, Settings::new()).await;
    is_the_fault_of_one_code(&setup, "invalid byte sequence").await;
    setup.database.execute("update city set name = 'Nimes' where countrycode = 'BGR'").await;
    is_over(&setup).await;
}

#[tokio::test]
async fn a_value_that_a_view_stumbles_over_is_the_fault_of_one_code() {
    // "Feature not supported", as on a standby; a division by zero; what no list of errors can foresee.
    let cases = [
        ("population::bigint", "'NaN'", "cannot convert NaN to bigint"),
        ("1000 / population", "0", "division by zero"),
        ("stumble(population)", "5", "on purpose"),
    ];
    for (expression, value, why) in cases {
        let database = Database::new().await;
        let tables = format!(
            "create table country (code text, name text);
             create table town (name text, countrycode text, population numeric);
             insert into town values ('Sofija', 'BGR', {value}), ('Paris', 'FRA', 7);
             create function stumble(number numeric) returns numeric language plpgsql as
               $$ begin if number = 5 then raise exception 'on purpose'; end if; return number; end $$;
             create view city as select name, countrycode,
               case when countrycode = 'FRA' then 7 else {expression} end as population from town"
        );
        database.execute(&tables).await;
        prepare(&database, "").await;
        let setup = Setup::on(database, Settings::new()).await;
        is_the_fault_of_one_code(&setup, why).await;
        setup.database.execute("update town set population = 8 where countrycode = 'BGR'").await;
        is_over(&setup).await;
    }
}
