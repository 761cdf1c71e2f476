//! Ways to write that hide what they change: within a query, a block, a cascade, a view, a prepared transaction.

use harness::{Postgres, Settings, System};

use crate::small_tables::{follows_another_than, is_right, system, travels};
use crate::{HEAL_LIMIT, TRAVEL_LIMIT};

#[tokio::test]
async fn what_a_query_writes_in_its_with_clauses_reaches_the_answers() {
    let system = system().await;
    for change in [
        "with gone as (delete from city where countrycode = 'DEU' returning name, population)
         insert into city (name, countrycode, population) select name, 'FRA', population from gone",
        "with here as (update city set population = population + 1 where countrycode = 'BGR' returning 1),
              there as (update city set population = population + 1 where countrycode = 'FRA' returning 1)
         select count(*) from here, there",
        "with renamed as (update country set code = 'XQX' where code = 'DEU' returning code)
         insert into city (name, countrycode, population) select 'Bonn', code, 3 from renamed",
    ] {
        travels(&system, change).await;
    }
}

#[tokio::test]
async fn what_savepoints_and_blocks_leave_reaches_the_answers() {
    let system = system().await;
    for change in [
        // The first write, which may have let the relay not park, is undone before the one that stays.
        "begin; savepoint one; update city set population = 0 where countrycode = 'BGR'; rollback to one;
         update city set population = 1 where countrycode = 'FRA'; commit",
        "begin; update city set population = 2 where countrycode = 'BGR'; savepoint one;
         delete from city where countrycode = 'FRA'; savepoint two;
         update city set population = 2 where countrycode = 'DEU'; release two; rollback to one;
         update city set population = 2 where countrycode = 'IND'; commit",
        "do $$ begin
           update city set population = 3 where countrycode = 'BGR';
           begin
             update city set population = 3 where countrycode = 'FRA';
             raise exception 'undone';
           exception when others then
             update city set population = 3 where countrycode = 'DEU';
           end;
         end $$",
        // A transaction for each code, as long jobs do it.
        "do $$ declare known text; begin
           for known in select code from country loop
             update city set population = population + 4 where countrycode = known;
             commit;
           end loop;
         end $$",
    ] {
        travels(&system, change).await;
    }
}

#[tokio::test]
async fn what_cascades_views_rules_and_cursors_write_reaches_the_answers() {
    let system = system().await;
    system
        .database
        .execute(
            "alter table city add foreign key (countrycode) references country on update cascade on delete cascade;
             create view bulgarian as select name, population from city where countrycode = 'BGR';
             create table inbox (name text, code text);
             create rule delivered as on insert to inbox
               do instead update city set population = 1 where name = new.name and countrycode = new.code;
             create function moved() returns trigger language plpgsql as
               $$ begin new.countrycode := 'IND'; return new; end $$",
        )
        .await;
    for change in [
        "update country set code = 'XQX' where code = 'DEU'",
        "delete from country where code = 'XQX'",
        "update bulgarian set population = population + 1",
        "insert into inbox values ('Paris', 'FRA')",
        "begin; declare found cursor for select from city where countrycode = 'FRA' for update; fetch found;
         update city set population = 9 where current of found; commit",
        // The row goes elsewhere than the statement says.
        "create trigger moved before insert on city for each row execute function moved();
         insert into city (name, countrycode, population) values ('Agra', 'FRA', 1)",
        "truncate country cascade",
    ] {
        travels(&system, change).await;
    }
}

#[tokio::test]
async fn a_prepared_transaction_reaches_the_answers_when_it_is_committed() {
    let mut postgres = Postgres::start(&["-c", "max_prepared_transactions=5"]).await;
    let mut system = System::launch(postgres.existing("tutorial"), Settings::new()).await;
    system.whole().await;
    let change = |code: &str| {
        format!(
            "begin; update city set population = population + 1 where countrycode = '{code}';
             prepare transaction '{code}'"
        )
    };
    for code in ["BGR", "FRA", "MLT"] {
        system.database.execute(&change(code)).await;
    }
    system.cached("BGR", TRAVEL_LIMIT).await;
    system.database.execute("commit prepared 'BGR'").await;
    is_right(&system, "commit prepared").await;

    // It outlives the worker, and the server itself.
    let old = system.generation().await;
    system.worker.restart();
    follows_another_than(&system, old).await;
    system.cached("FRA", TRAVEL_LIMIT).await;
    system.database.execute("commit prepared 'FRA'").await;
    is_right(&system, "commit prepared after a restart of the worker").await;

    postgres.kill();
    postgres.restart().await;
    system.whole_within(HEAL_LIMIT * 2).await;
    system.cached("MLT", TRAVEL_LIMIT).await;
    system.database.execute("commit prepared 'MLT'").await;
    is_right(&system, "commit prepared after a crash of PostgreSQL").await;
}
