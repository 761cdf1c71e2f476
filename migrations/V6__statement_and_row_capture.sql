-- The whole capture: what the triggers of V4 call, one function a table for statements and one for rows.
--
-- Numbers 3 and 5 are missing: they made older versions of these functions. Databases of earlier releases have them in
-- their history and get these functions in their place; every other database starts with these.
--
-- SECURITY DEFINER, since a writer needs no right on this schema. Such a function usually pins a search_path, which
-- costs each statement several microseconds. Here every name, operator, type and collation is qualified instead:
-- whatever stands in the writer's search_path or in pg_temp, nothing of it is called. What isn't qualified doesn't
-- depend on the search_path: `distinct` and `union` use the type's default operators, `old_rows` and `new_rows` are
-- found before any table. IN, BETWEEN, IS DISTINCT FROM and `case x when` look for operators by name: not here.
--
-- Only the reading of the codes stands in exception blocks: whatever goes wrong there (a column renamed under us)
-- becomes "anything may have changed", so that no user's statement fails because of us. A row that is inserted in such
-- a block would take a transaction number of its own.
do $migration$
declare
  parked_lock constant bigint := 7231003; -- the relay holds it exclusively while it is parked
  channel constant text := 'city_updates'; -- where the parked relay listens
  codes_max constant integer := 64; -- above it one "anything may have changed" is cheaper for everybody than the codes

  -- A text as the code that the api asks for.
  normalised constant text := 'pg_catalog.upper(pg_catalog.btrim(%s) collate pg_catalog."C")';

  -- The end of each function. NOTIFY only wakes a relay that has parked: in every transaction it would cost
  -- writers most of their rate, since such commits are serialised for the whole cluster. While a writer holds the lock
  -- shared, the relay can't park, so no wake-up is lost.
  wake_relay constant text := format($template$        if not pg_catalog.pg_try_advisory_xact_lock_shared(%1$s) then
          perform pg_catalog.pg_notify(%2$L, '');
        end if;
        return null;$template$, parked_lock, channel);

  captured record;
begin
  for captured in
    select * from (values ('city', 'countrycode'), ('country', 'code')) as captured (relation, code)
  loop
    -- For statements: the distinct codes of all old and new rows together, however many rows there are. Told apart byte
    -- by byte: a collation that isn't deterministic takes `BgR` with a dot above for `BGR`, and `distinct` would keep
    -- one of them.
    --
    -- By far the most frequent statement updates one row and leaves its code as it is. It is found out first, since
    -- telling codes apart takes longer than all the rest. With more rows, or none, or a column that is gone, `into
    -- strict` fails, and the general way finds out which of them it was. Two rows suffice for that: without a limit the
    -- join of very many looks so costly that PostgreSQL compiles it, which takes longer than all the rest (JIT).
    execute format($template$
      create or replace function cities_cache.%1$I() returns trigger
      language plpgsql security definer as $function$
      declare
        old_code pg_catalog.text; -- of the only row that was updated
        new_code pg_catalog.text;
        only_code pg_catalog.text; -- the new one as the api asks for it
        changed pg_catalog.text[]; -- null: anything may have changed, as after TRUNCATE
      begin
        begin
          if tg_op operator(pg_catalog.=) 'UPDATE' then
            -- Only texts have a collation: a type of the table's owner, whose cast would run with our rights, fails here.
            select
              (old_row.%2$I collate pg_catalog."C")::pg_catalog.text,
              (new_row.%2$I collate pg_catalog."C")::pg_catalog.text,
              %3$s
            into strict old_code, new_code, only_code
            from (select old_row.%2$I from old_rows as old_row limit 2) as old_row
            cross join (select new_row.%2$I from new_rows as new_row limit 2) as new_row;
          end if;
        exception when others then
          null;
        end;
        if old_code collate pg_catalog."C" operator(pg_catalog.=) new_code then
          insert into cities_cache.outbox (codes) values (array[only_code]);
        else
          begin
            if tg_op operator(pg_catalog.=) 'UPDATE' then
              changed := array(
                select %4$s
                from (
                  select old_row.%2$I collate pg_catalog."C" from old_rows as old_row
                  union
                  select new_row.%2$I collate pg_catalog."C" from new_rows as new_row
                ) as changed_rows (code)
                where code is not null
                limit %6$s
              );
            elsif tg_op operator(pg_catalog.=) 'INSERT' then
              changed := array(
                select %4$s
                from (select distinct new_row.%2$I collate pg_catalog."C" from new_rows as new_row) as changed_rows (code)
                where code is not null
                limit %6$s
              );
            elsif tg_op operator(pg_catalog.=) 'DELETE' then
              changed := array(
                select %4$s
                from (select distinct old_row.%2$I collate pg_catalog."C" from old_rows as old_row) as changed_rows (code)
                where code is not null
                limit %6$s
              );
            end if;
            if pg_catalog.cardinality(changed) operator(pg_catalog.=) 0 then
              return null; -- no row was touched, or none that anybody can ask for
            elsif pg_catalog.cardinality(changed) operator(pg_catalog.>) %5$s then
              changed := null;
            end if;
          exception when others then
            changed := null;
          end;
          insert into cities_cache.outbox (codes) values (changed);
        end if;
%7$s
      end
      $function$
    $template$, 'capture_' || captured.relation, captured.code,
      format(normalised, format('(new_row.%I collate pg_catalog."C")::pg_catalog.text', captured.code)),
      format(normalised, 'code::pg_catalog.text'), codes_max, codes_max + 1, wake_relay);

    -- For rows, under session_replication_role = replica: the apply worker of logical replication fires no others.
    execute format($template$
      create or replace function cities_cache.%1$I() returns trigger
      language plpgsql security definer as $function$
      declare
        changed pg_catalog.text[];
      begin
        begin
          changed := array(
            select distinct %3$s
            from (
              values
                (case when tg_op operator(pg_catalog.<>) 'INSERT' then old.%2$I collate pg_catalog."C" end),
                (case when tg_op operator(pg_catalog.<>) 'DELETE' then new.%2$I collate pg_catalog."C" end)
            ) as changed_row (code)
            where code is not null
          );
          if pg_catalog.cardinality(changed) operator(pg_catalog.=) 0 then
            return null;
          end if;
        exception when others then
          changed := null;
        end;
        insert into cities_cache.outbox (codes) values (changed);
%4$s
      end
      $function$
    $template$, 'capture_' || captured.relation || '_row', captured.code,
      format(normalised, 'code::pg_catalog.text'), wake_relay);
  end loop;
end
$migration$;

-- Read with every heartbeat. A function that pins a search_path is planned anew at each call, where one that doesn't
-- becomes part of the query; whoever calls it pins one.
alter function cities_cache.captured_tables() reset search_path;
