//! Writers who put functions, operators, types and tables of their own before PostgreSQL's, and owners who give a column
//! a type of their own: the capture runs with its owner's rights, and must call nothing of theirs.

use harness::Database;
use tokio_postgres::Client;

use crate::setup::Setup;

/// Everything that the capture calls by name, once more in a schema of the writer's. Whatever is called leaves a row.
const TRAPS: &str = r#"
    create schema trap;
    create table trap.sprung (what text);
    create function trap.spring(what text) returns boolean language plpgsql security definer as
      $$ begin insert into trap.sprung values (what); return false; end $$;
    do $traps$
    declare
      trap record;
    begin
      for trap in
        select * from (values
          ('upper(text)', 'text'), ('btrim(text)', 'text'), ('upper(character)', 'text'), ('btrim(character)', 'text'),
          ('cardinality(anyarray)', 'integer'), ('cardinality(text[])', 'integer'),
          ('pg_notify(text, text)', 'void'), ('pg_try_advisory_xact_lock_shared(bigint)', 'boolean'),
          ('pg_try_advisory_xact_lock_shared(integer)', 'boolean'), ('pg_current_xact_id()', 'xid8')
        ) as traps (signature, result)
      loop
        execute format(
          'create function trap.%s returns %s language plpgsql as $f$ begin perform trap.spring(%L); return %s; end $f$',
          trap.signature, trap.result, trap.signature, case trap.result when 'void' then '' else 'null' end
        );
      end loop;
      for trap in
        select operator.name, type.name as type
        from unnest(array['=', '<>', '>', '<', '>=', '<=', '||']) as operator (name)
        cross join unnest(array['text', 'text[]', 'integer', 'character', 'boolean', 'name']) as type (name)
      loop
        execute format(
          'create function trap.%1$I(one %2$s, other %2$s) returns boolean language plpgsql as '
            '$f$ begin perform trap.spring(%3$L); return null; end $f$;
           create operator trap.%4$s (leftarg = %2$s, rightarg = %2$s, function = trap.%1$I)',
          'operator ' || trap.name || ' ' || trap.type, trap.type, trap.name || ' of ' || trap.type, trap.name
        );
      end loop;
    end
    $traps$;
    create domain trap.text as pg_catalog.text check (trap.spring('domain text') is null);
    create domain trap.bigint as pg_catalog.int8 check (trap.spring('domain bigint') is null);
    create collation trap."C" from pg_catalog."POSIX";
    create table trap.outbox (codes text[]);
    create role hostile;
    grant usage on schema trap to hostile;
    grant execute on all functions in schema trap to hostile;
    grant all on public.city, public.country to hostile;
    grant temporary on database this to hostile;
"#;

/// A session of the writer's, with its traps before everything else.
async fn hostile_session(database: &Database) -> Client {
    let client = database.client().await;
    let name = format!(r#""{}""#, database.name);
    let role = format!("hostile_{}", database.name);
    let traps = TRAPS.replace("database this", &format!("database {name}")).replace("hostile", &role);
    client.batch_execute(&traps).await.unwrap();
    client
        .batch_execute(&format!(
            "set session authorization {role};
             create temporary table old_rows (countrycode text, code text);
             create temporary table new_rows (countrycode text, code text);
             create temporary table outbox (codes text[]);
             insert into old_rows values ('TRA', 'TRA');
             insert into new_rows values ('TRA', 'TRA');
             set search_path = pg_temp, trap, public, pg_catalog"
        ))
        .await
        .unwrap();
    client
}

#[tokio::test]
async fn nothing_of_a_hostile_writers_is_called_and_the_codes_are_right() {
    let mut setup = Setup::start().await;
    setup.stop().await;
    setup.drained().await;
    let client = hostile_session(&setup.database).await;
    let sprung = "select string_agg(distinct what, ', ' order by what) from trap.sprung";
    client.batch_execute("select upper('a'::pg_catalog.text), 'a'::pg_catalog.text = 'b'").await.unwrap();
    assert_eq!(setup.database.text(sprung).await.as_deref(), Some("= of text, upper(text)"), "the traps are set");
    setup.database.execute("delete from trap.sprung").await;
    // Parked, the relay would hold this lock, and the capture would notify.
    let parked = setup.database.client().await;
    parked.batch_execute("select pg_advisory_lock(7231003)").await.unwrap();
    for (statement, expected) in [
        ("update public.city set population = 7 where name operator(pg_catalog.=) 'Dobric'", "BGR"),
        ("update public.city set population = 8 where countrycode operator(pg_catalog.=) 'BGR'", "BGR"),
        ("update public.city set countrycode = 'FRA' where name operator(pg_catalog.=) 'Dobric'", "BGR FRA"),
        ("insert into public.city (name, countrycode) values ('A', 'BGR'), ('B', 'ita')", "BGR ITA"),
        (
            "delete from public.city where name operator(pg_catalog.=) 'B' and countrycode operator(pg_catalog.=) 'ita'",
            "ITA",
        ),
        ("update public.country set population = 1 where code operator(pg_catalog.=) 'BGR'", "BGR"),
        ("truncate public.city", "ALL"),
    ] {
        client.batch_execute(statement).await.unwrap();
        let codes = "select string_agg(case when codes is null then 'ALL'
                                            else array_to_string(array(select unnest(codes) order by 1), ' ') end, '; ')
                     from cities_cache.outbox";
        assert_eq!(setup.database.text(codes).await.as_deref(), Some(expected), "{statement}");
        setup.database.execute("delete from cities_cache.outbox").await;
    }
    let as_replica = "reset session authorization; set session_replication_role = replica;
                      insert into public.city (name, countrycode) values ('C', 'deu');
                      update public.city set countrycode = 'FRA' where name operator(pg_catalog.=) 'C'";
    client.batch_execute(as_replica).await.unwrap();
    let codes = "select string_agg(array_to_string(array(select unnest(codes) order by 1), ' '), '; ' order by codes)
                 from cities_cache.outbox";
    assert_eq!(setup.database.text(codes).await.as_deref(), Some("DEU; DEU; DEU FRA; DEU FRA"));
    assert_eq!(setup.database.text(sprung).await, None);
    let left = "select count(*) from trap.outbox";
    assert_eq!(setup.database.number(left).await, 0);
}

#[tokio::test]
async fn the_cast_of_a_type_that_the_tables_owner_made_is_not_run_with_our_rights() {
    let mut setup = Setup::start().await;
    setup.stop().await;
    setup.drained().await;
    let own_type = "
        create table public.ran_as (role text);
        create type public.own_code as (code text);
        create function public.own_text(code public.own_code) returns text language plpgsql as
          $$ begin insert into public.ran_as values (current_user); return (code).code; end $$;
        create cast (public.own_code as text) with function public.own_text(public.own_code) as assignment;
        drop index if exists city_normalised_code;
        alter table public.city alter countrycode type public.own_code using row(countrycode)::public.own_code";
    setup.database.execute(own_type).await;
    for (statement, as_replica) in [
        ("update public.city set population = 7 where name = 'Dobric'", false),
        ("update public.city set countrycode = row('FRA')::public.own_code where name = 'Dobric'", false),
        ("insert into public.city (name, countrycode) values ('A', row('FRA')::public.own_code)", false),
        ("delete from public.city where name = 'A'", false),
        ("update public.city set population = 8 where name = 'Dobric'", true),
    ] {
        let role = if as_replica { "replica" } else { "origin" };
        setup.database.execute(&format!("set session_replication_role = {role}; {statement}")).await;
        let codes = "select string_agg(distinct coalesce(codes::text, 'ALL'), '; ') from cities_cache.outbox";
        assert_eq!(setup.database.text(codes).await.as_deref(), Some("ALL"), "{statement}");
        assert_eq!(setup.database.number("select count(*) from public.ran_as").await, 0, "{statement}");
        setup.database.execute("delete from cities_cache.outbox").await;
    }
}
