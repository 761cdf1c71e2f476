//! Users with few rights and settings of their own, databases with unusual defaults, a second `city` that isn't ours.

use harness::{Database, Http, Settings, System, eventually, holds, settings};

use crate::small_tables::{CITY, COUNTRY, few, follows_another_than, is_right, system, travels};
use crate::{MEND_LIMIT, TRAVEL_LIMIT};

#[tokio::test]
async fn a_user_without_rights_on_our_schema_and_with_hostile_settings_writes_unhindered() {
    let system = system().await;
    let role = format!("writer_of_{}", system.database.name);
    let old = system.generation().await;
    system
        .database
        .execute(&format!(
            "create role {role}; grant select, insert, update, delete, truncate on city, country to {role};
             revoke all on schema cities_cache from public;
             create schema trap authorization {role}; set role {role};
             create table trap.outbox (xid xid8, codes text[]);
             create table trap.city (countrycode text); create table trap.old_rows (countrycode text);
             create function trap.upper(text) returns text language sql as 'select null';
             create function trap.btrim(text) returns text language sql as 'select null';
             create function trap.cardinality(text[]) returns int language sql as 'select 0';
             create function trap.pg_try_advisory_xact_lock_shared(int) returns bool language sql as 'select 1/0 > 0';
             create function trap.pg_notify(text, text) returns void language sql as 'select 1/0'"
        ))
        .await;
    // A grant empties the cache once; what comes after it has to be captured.
    follows_another_than(&system, old).await;
    for hostile in [
        "",
        "set search_path = trap, pg_catalog;",
        "set search_path = pg_temp, trap, public; create temp table outbox (xid xid8, codes text[]);",
        "set row_security = off;",
        "set search_path = ''; set standard_conforming_strings = off; set array_nulls = off; set transform_null_equals = on;
         set quote_all_identifiers = on; set xmloption = document; set datestyle = german;",
        "set enable_seqscan = off; set enable_sort = off; set enable_hashagg = off; set work_mem = 64; set jit_above_cost = 0;
         set constraint_exclusion = on; set check_function_bodies = off;
         select set_config(name, 'on', false) from pg_settings where name in ('force_parallel_mode', 'debug_parallel_query');",
        "commit; begin isolation level serializable;",
    ] {
        for change in [
            "update public.city set population = population + 1 where countrycode = 'BGR'",
            "insert into public.city (name, countrycode, population) values ('Bremen', 'DEU', 3)",
        ] {
            travels(&system, &format!("set role {role}; {hostile} {change}")).await;
        }
    }
    // Under a policy, which hides rows from the writer and none from the capture.
    let policy = "alter table city enable row level security; create policy own on city using (countrycode <> 'FRA')";
    let old = system.generation().await;
    system.database.execute(policy).await;
    follows_another_than(&system, old).await;
    travels(&system, &format!("set role {role}; update public.city set population = 0")).await;
    system.database.execute(&format!("drop owned by {role} cascade; drop role {role}")).await;
}

#[tokio::test]
async fn in_a_database_that_is_serializable_by_default_no_commit_fails_because_of_us() {
    // Room for heap-only updates, and no index but the key's: the two writers below have nothing else in common.
    let database = few("alter table city set (fillfactor = 10); cluster city using city_pkey").await;
    let serializable = format!(
        "alter database {name} set default_transaction_isolation = serializable;
         alter database {name} set enable_seqscan = off; alter database {name} set enable_bitmapscan = off",
        name = database.name
    );
    database.execute(&serializable).await;
    let system = System::start_on(database, Settings::new()).await;
    let (first, second) = (system.database.client().await, system.database.client().await);
    for round in 1_000..1_010 {
        system.warm().await;
        // The second one reads what the first one is about to change. A reader who sees the first change and not the
        // second can't be put in any order with the two, so if it were serializable, too, the second couldn't commit.
        second.batch_execute("begin; select population from city where id = 1").await.unwrap();
        first.batch_execute(&format!("update city set population = {round} where id = 1")).await.unwrap();
        eventually(TRAVEL_LIMIT, "the first change is answered, read from the database", async || {
            let population = system.get_city("BGR").await.population("Sofia");
            holds(population == Some(round), population)
        })
        .await;
        second.batch_execute(&format!("update city set population = {round} where id = 2; commit")).await.unwrap();
        is_right(&system, "both changes").await;
    }
}

#[tokio::test]
async fn a_database_that_is_read_only_by_default_is_set_up_and_followed() {
    let database = Database::new().await;
    let name = &database.name;
    database.execute(&format!("alter database {name} set default_transaction_read_only = on")).await;
    let system = System::start_on(database, Settings::new()).await;
    system.agree(TRAVEL_LIMIT).await;
    system.database.execute("begin read write; update city set population = 1 where name = 'Dobric'; commit").await;
    system.agree(TRAVEL_LIMIT).await;
    assert_eq!(system.cached("BGR", TRAVEL_LIMIT).await.population("Dobric"), Some(1));
}

#[tokio::test]
async fn a_second_city_in_the_schema_of_the_users_own_name_is_another_table() {
    // The programs' user is `postgres`, in whose search path this schema comes before `public`.
    let decoy = "create schema postgres; create table postgres.city as select * from public.city;
                 create table postgres.country as select * from public.country where code = 'FRA';
                 update postgres.city set population = 0, countrycode = 'FRA'";
    let system = System::start_on(few(decoy).await, Settings::new()).await;
    let changes = [
        "update public.city set population = population + 1 where countrycode = 'BGR'",
        "delete from city",
        "update public.city set countrycode = 'FRA' where name = 'Bonn'",
        "truncate country",
        "delete from public.country where code = 'IND'; delete from public.city where countrycode = 'IND'",
    ];
    for change in changes {
        travels(&system, change).await;
    }
    // It goes, and comes while all is running.
    travels(&system, "drop schema postgres cascade").await;
    travels(&system, "insert into country values ('IND')").await;
    travels(&system, decoy).await;
    for change in changes {
        travels(&system, change).await;
    }
}

#[tokio::test]
async fn rows_that_a_policy_hides_from_the_api_are_a_problem_instead_of_an_answer() {
    let database = Database::new().await;
    let role = format!("owner_of_{}", database.name);
    let name = &database.name;
    database
        .execute(&format!(
            "create role {role} login password 'x'; grant create on database {name} to {role};
             grant create on schema public to {role}; set role {role}; {COUNTRY} {CITY}"
        ))
        .await;
    let as_role = settings([("DB_USER", role.as_str()), ("DB_PASSWORD", "x")]);
    let mut system = System::start_on(database, as_role).await;
    let periods = [
        (
            "alter table city force row level security; alter table city enable row level security",
            "alter table city no force row level security",
        ),
        ("alter table city force row level security", "alter table city disable row level security"),
        (
            "alter table country force row level security; alter table country enable row level security;
             create policy visible on country using (code <> 'FRA')",
            "alter table country no force row level security",
        ),
    ];
    for (period, (hides, shows)) in (1..).zip(periods) {
        system.warm().await;
        system.database.execute(hides).await;
        refuses(&system.http).await;
        // A policy that shows some rows, or all, is none that lets us see what others may not.
        system.database.execute("create policy shown on city using (countrycode = 'BGR')").await;
        refuses(&system.http).await;
        system.database.execute("alter policy shown on city using (true)").await;
        refuses(&system.http).await;
        let lines = system.api.log_lines("ERROR");
        assert_eq!(lines.len(), period, "{lines:#?}");
        assert!(lines.iter().all(|line| line.contains("row-level security policy for table")), "{lines:#?}");
        system.database.execute(&format!("drop policy shown on city; {shows}")).await;
        system.whole_within(MEND_LIMIT).await;
        is_right(&system, shows).await;
        // What fails again at once would be the same trouble to the api, and not said again.
        eventually(TRAVEL_LIMIT, "the api says that it is over", async || {
            let lines = system.api.log_lines("answers about cities again");
            holds(lines.len() == period, lines)
        })
        .await;
    }
    for program in [&mut system.worker, &mut system.consumer, &mut system.api] {
        program.kill();
    }
    system.database.execute(&format!("drop owned by {role} cascade; drop role {role}")).await;
}

/// No answer about cities is given, and it is said why none is.
async fn refuses(http: &Http) {
    for code in ["BGR", "DEU", "FRA", "IND", "ZZZ"] {
        eventually(TRAVEL_LIMIT, "a problem instead of an answer", async || {
            let answer = http.get(&format!("/cities/{code}")).await?;
            holds(answer.status == 503 && answer.text().contains("database-unavailable"), answer.text())
        })
        .await;
    }
    eventually(TRAVEL_LIMIT, "/status names it", async || http.fails("cities", "they can't be read").await).await;
}
