//! What is answered to whom, and what is refused.

use harness::{Database, Settings};

use crate::setup::{Setup, prepare};

#[tokio::test]
async fn a_first_answer_comes_from_the_database_and_a_second_from_the_cache() {
    let setup = Setup::new().await;
    let first = setup.get("BGR").await;
    let second = setup.get("BGR").await;
    assert_eq!((first.source().as_str(), second.source().as_str()), ("database", "cache"));
    assert_eq!(first.json()["data"], second.json()["data"]);
    assert_eq!(
        first.text(),
        r#"{"source":"database","data":[{"name":"Sofija","population":1122302},{"name":"Varna","population":299801},"#
            .to_owned()
            + r#"{"name":"Aaa","population":83584},{"name":"Dobric","population":83584}]}"#
    );
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("cache-control"), "no-cache");
}

#[tokio::test]
async fn lower_case_is_the_same_code() {
    let setup = Setup::new().await;
    assert_eq!(setup.get("bGr").await.source(), "database");
    assert_eq!(setup.get("BGR").await.source(), "cache");
}

#[tokio::test]
async fn a_country_without_cities_is_an_empty_list() {
    let setup = Setup::new().await;
    for source in ["database", "cache"] {
        let answer = setup.get("ATA").await;
        assert_eq!((answer.status, answer.text()), (200, format!(r#"{{"source":"{source}","data":[]}}"#)));
    }
}

#[tokio::test]
async fn a_city_without_a_country_is_found() {
    let setup = Setup::new().await;
    assert_eq!(setup.get("XXA").await.population("Nowhere"), Some(1));
}

#[tokio::test]
async fn a_code_that_neither_table_has_is_not_found_from_the_cache_either() {
    let setup = Setup::new().await;
    for _ in 0..2 {
        let answer = setup.get("ZZZ").await;
        assert_eq!((answer.status, answer.header("content-type")), (404, "application/problem+json"));
        assert_eq!(answer.json()["status"], 404);
        assert!(setup.is_filled("ZZZ").await);
    }
    setup.database.execute("insert into city (name, countrycode, population) values ('New', 'ZZZ', 7)").await;
    setup.invalidate("ZZZ").await;
    assert_eq!(setup.get("ZZZ").await.population("New"), Some(7));
}

#[tokio::test]
async fn adopted_tables_may_have_other_types_padding_case_and_nulls() {
    let database = Database::new().await;
    let tables = "create table country (code text, name text);
                  create table city (id bigint, name varchar(50), countrycode varchar(10), district text,
                                     population numeric);
                  insert into country values (' bgr ', 'Bulgaria');
                  insert into city values (1, 'Small', 'bgr', null, 1.6), (2, null, ' BGR', null, 5),
                                          (3, 'Unknown', 'Bgr ', null, null);";
    database.execute(tables).await;
    prepare(&database, "").await;
    let setup = Setup::on(database, Settings::new()).await;
    for source in ["database", "cache"] {
        let answer = setup.get("BGR").await;
        assert_eq!(answer.source(), source);
        let data =
            r#"[{"name":null,"population":5},{"name":"Small","population":1.6},{"name":"Unknown","population":null}]"#;
        assert_eq!(answer.json()["data"].to_string(), data);
    }
}

#[tokio::test]
async fn anything_but_three_letters_is_refused() {
    let setup = Setup::new().await;
    for code in
        ["B", "BG", "BGRR", "123", "B1R", "%00%00%00", "%2e%2e", "..", "%D0%91%D0%93%D0%A0", "%FF", "B%2FR", "%"]
    {
        let answer = setup.http.get_raw(&format!("/cities/{code}")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{code}: {answer}");
        assert!(answer.contains("application/problem+json"), "{code}: {answer}");
    }
    let long = "A".repeat(10_000);
    assert_eq!(setup.get(&long).await.status, 400);
    assert_eq!(setup.get("B%47R").await.status, 200, "percent-encoding changes nothing");
}

#[tokio::test]
async fn other_paths_and_methods_have_their_problem() {
    let setup = Setup::new().await;
    for path in ["/", "/cities", "/cities/", "/cities/BGR/x", "/nothing"] {
        let answer = setup.http.get(path).await.unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (404, "application/problem+json"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let request =
            format!("{method} /cities/BGR HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = setup.http.raw(request.as_bytes()).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD"), "{answer}");
    }
    let request = b"HEAD /cities/BGR HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    let answer = setup.http.raw(request).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}
