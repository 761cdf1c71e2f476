//! Tables that were there before: good ones are adopted and left untouched, bad ones refused in one line until they are
//! put right.

use harness::{Database, Settings, System, eventually, holds, settings};

use crate::{MEND_LIMIT, TRAVEL_LIMIT};

const COUNTRY: &str = "create table country (code text primary key, name text, continent text, population bigint);
                       insert into country values ('BGR', 'Bulgaria'), ('FRA', 'France');";

/// A user's own: text codes of any case and padding, columns and an index that we know nothing of.
const CITY: &str = "create table city (key uuid default gen_random_uuid(), name varchar(80), countrycode varchar(10),
                                       population bigint, mayor text);
                    create index on city (mayor);
                    insert into city (name, countrycode, population) values
                      ('Dobric', 'BGR', 1), ('Sofia', ' bgr', 2), ('Paris', 'FRA', 3), ('Nowhere', null, null);";

/// Everything of the user's that could be changed: rows, columns, indexes, constraints, rules, files.
const FINGERPRINT: &str = "select md5(string_agg(line, E'\\n' order by line)) from (
    select format('city %s', city) as line from city
    union all select format('country %s', country) from country
    union all select format('column %s %s %s', attrelid, attname, xmin) from pg_attribute
      where attrelid in ('city'::regclass, 'country'::regclass)
    union all select format('class %s %s %s', relname, relfilenode, relkind) from pg_class
      where oid in ('city'::regclass, 'country'::regclass)
    union all select format('index %s', indexdef) from pg_indexes where tablename in ('city', 'country')
    union all select format('constraint %s %s', conname, conrelid) from pg_constraint
      where conrelid in ('city'::regclass, 'country'::regclass)
    union all select format('public %s', relname) from pg_class where relnamespace = 'public'::regnamespace) all_of_it";

#[tokio::test]
async fn tables_that_are_there_are_adopted_and_left_untouched() {
    let database = Database::new().await;
    database.execute(&format!("{COUNTRY} {CITY}")).await;
    let before = database.text(FINGERPRINT).await;
    let system = System::start_on(database, Settings::new()).await;
    assert_eq!(system.database.text(FINGERPRINT).await, before);

    let names: Vec<_> = system.get_city("BGR").await.cities().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Sofia", "Dobric"]);
    system.agree(TRAVEL_LIMIT).await;
    for change in [
        "update city set population = 9 where name = 'Dobric'",
        "update city set countrycode = 'fra ' where name = 'Sofia'",
        "insert into city (name, countrycode) values ('Lyon', 'Fra')",
        "delete from country where code = 'FRA'; delete from city where name <> 'Dobric'",
    ] {
        system.database.execute(change).await;
        system.agree(TRAVEL_LIMIT).await;
    }
}

#[tokio::test]
async fn populations_may_be_numbers_of_any_type() {
    for (kind, first, second) in
        [("numeric", "2000.5", "1e25"), ("double precision", "2000.5", "0.1"), ("real", "7", "0.1")]
    {
        let database = Database::new().await;
        let city = format!(
            "create table city (name text, countrycode char(3), population {kind});
             insert into city values ('Dobric', 'BGR', {first}), ('Varna', 'BGR', 'NaN')"
        );
        database.execute(&format!("{COUNTRY} {city}")).await;
        let system = System::start_on(database, Settings::new()).await;
        for number in [first, second] {
            system.database.execute(&format!("update city set population = {number} where name = 'Dobric'")).await;
            let number = number.replace("1e25", "10000000000000000000000000");
            let cities = format!(r#"[{{"name":"Dobric","population":{number}}},{{"name":"Varna","population":null}}]"#);
            eventually(TRAVEL_LIMIT, &format!("{kind} is exact in the cache"), async || {
                let answer = system.get_city("BGR").await;
                holds(answer.source() == "cache" && answer.text().contains(&cities), answer.text())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_partitioned_table_is_adopted_with_its_partitions() {
    let database = Database::new().await;
    let partitioned =
        "create table city (id int, name text, countrycode char(3), population int) partition by list (countrycode);
                       create table city_bgr partition of city for values in ('BGR');
                       create table city_rest partition of city default;
                       insert into city values (1, 'Dobric', 'BGR', 1), (2, 'Paris', 'FRA', 2);";
    database.execute(&format!("{COUNTRY} {partitioned}")).await;
    let system = System::start_on(database, Settings::new()).await;
    system.agree(TRAVEL_LIMIT).await;
    for change in [
        "update city set population = 5 where name = 'Dobric'",
        "update city_bgr set population = 6",
        "update city set countrycode = 'FRA' where name = 'Dobric'",
        "insert into city_rest values (3, 'Lyon', 'FRA', 3)",
        "truncate city_rest",
        "create table city_deu partition of city for values in ('DEU'); insert into city_deu values (4, 'Bonn', 'DEU', 4)",
    ] {
        system.database.execute(change).await;
        system.agree(MEND_LIMIT).await;
    }
}

/// Starts on what is wrong: the worker says so in one line that contains `what`, nothing is changed, `/status` says what
/// it leads to; after `mend` all is well by itself.
async fn is_refused(wrong: &str, what: &str, mend: &str) {
    let database = Database::new().await;
    database.execute(wrong).await;
    let system = System::launch(database, Settings::new()).await;
    let line = system.worker.wait_log(MEND_LIMIT, what).await;
    assert!(line.contains("ERROR"), "{line}");
    eventually(TRAVEL_LIMIT, "/status names it", async || system.http.fails("relay", "no heartbeat row").await).await;
    eventually(TRAVEL_LIMIT, "it has nothing to do with what the api can answer", async || {
        let ready = system.http.get("/readyz").await?;
        holds(ready.status == 200, ready.text())
    })
    .await;
    let ours = "select count(*) from pg_trigger where not tgisinternal";
    assert_eq!(system.database.number(ours).await, 0, "nothing is created on what is refused");

    system.database.execute(mend).await;
    system.whole_within(MEND_LIMIT).await;
    system.agree(TRAVEL_LIMIT).await;
    assert_eq!(system.worker.log_lines("ERROR").len(), 1, "{:#?}", system.worker.log());
}

#[tokio::test]
async fn a_view_in_place_of_a_table_is_refused() {
    let wrong = format!(
        "{COUNTRY} create view city as select 'Dobric'::text as name, 'BGR'::char(3) as countrycode, 1 as population"
    );
    is_refused(&wrong, "public.city", &format!("drop view city; {CITY}")).await;
}

#[tokio::test]
async fn a_view_in_place_of_a_table_is_read_uncached() {
    let database = Database::new().await;
    let view = format!("{COUNTRY} {CITY} alter table city rename to town; create view city as select * from town");
    database.execute(&view).await;
    let system = System::launch(database, Settings::new()).await;
    eventually(TRAVEL_LIMIT, "/status names it", async || system.http.fails("relay", "no heartbeat row").await).await;
    for population in [7, 8] {
        system.database.execute(&format!("update town set population = {population} where name = 'Dobric'")).await;
        let answer = system.get_city("BGR").await;
        assert_eq!((answer.source().as_str(), answer.population("Dobric")), ("database", Some(population)));
        assert_eq!(system.http.get("/readyz").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_foreign_table_is_refused() {
    let wrong = format!(
        "{COUNTRY} create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
         create foreign table city (name text, countrycode char(3), population int) server nowhere"
    );
    is_refused(&wrong, "public.city", &format!("drop foreign table city; {CITY}")).await;
}

#[tokio::test]
async fn a_foreign_partition_is_refused() {
    let wrong = format!(
        "{COUNTRY} create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
         create table city (name text, countrycode char(3), population int) partition by list (countrycode);
         create foreign table city_far partition of city default server nowhere"
    );
    is_refused(&wrong, "city_far", "drop foreign table city_far; create table city_near partition of city default")
        .await;
}

#[tokio::test]
async fn inheritance_children_are_refused() {
    let wrong = format!("{COUNTRY} {CITY} create table city_child () inherits (city)");
    is_refused(&wrong, "city_child", "drop table city_child").await;
}

#[tokio::test]
async fn a_missing_column_is_refused() {
    let wrong = format!("{COUNTRY} create table city (name text, countrycode char(3))");
    is_refused(&wrong, "population", "alter table city add population int").await;
}

#[tokio::test]
async fn a_column_of_the_wrong_type_is_refused() {
    let wrong = format!("{COUNTRY} create table city (name text, countrycode int, population int)");
    is_refused(&wrong, "countrycode", "alter table city alter countrycode type text").await;
}

#[tokio::test]
async fn a_city_without_country_is_refused() {
    is_refused(CITY, "country", COUNTRY).await;
}

#[tokio::test]
async fn a_publication_for_all_tables_is_refused_unless_a_setting_allows_it() {
    let publication = "create publication everything for all tables";
    let database = Database::new().await;
    database.execute(publication).await;
    let mut system = System::launch(database, Settings::new()).await;
    let line = system.worker.wait_log(MEND_LIMIT, "FOR ALL TABLES").await;
    assert!(line.contains("ERROR"), "{line}");
    let ours = "select count(*) from pg_class where relnamespace not in
                (select oid from pg_namespace where nspname like 'pg_%' or nspname = 'information_schema')";
    assert_eq!(system.database.number(ours).await, 0, "nothing is created");

    system.worker.restart_with(settings([("ALLOW_PUBLICATION_FOR_ALL_TABLES", "true")]));
    system.whole_within(MEND_LIMIT).await;
    // The user's own updates go on, which a published table without an identity would refuse.
    system.database.execute("update city set population = 1 where name = 'Dobric'").await;
    system.agree(TRAVEL_LIMIT).await;
}
