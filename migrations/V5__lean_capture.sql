-- The capture of statements once more, with fewer steps on the way that nearly every change takes: one row updated, its
-- code left as it is. PL/pgSQL pays for each expression that it evaluates, the more so under a pinned search_path, and
-- ten of them were a twentieth of what 64 writers get done. What is captured, and what each step is for, is as before:
-- see V3.
do $migration$
declare
  codes_max constant integer := 64; -- above it one "all" is cheaper for everybody than the codes
  captured record;
begin
  for captured in
    select * from (values ('city', 'countrycode'), ('country', 'code')) as captured (relation, code)
  loop
    execute format($template$
      create or replace function cities_cache.%1$I() returns trigger
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
      declare
        two text[]; -- the old and the new code, where one row was updated; null for anything but UPDATE
        changed text[]; -- null: anything may have changed, as after TRUNCATE
      begin
        begin
          if tg_op = 'UPDATE' then
            two := array(select %2$I::text from old_rows union all select %2$I::text from new_rows limit 3);
          end if;
          if cardinality(two) = 2 and two[1] collate "C" = two[2] then
            changed := array[upper(btrim(two[1]) collate "C")];
          else
            if tg_op = 'UPDATE' then
              changed := array(
                select upper(btrim(code::text) collate "C")
                from (
                  select %2$I collate "C" from old_rows union select %2$I collate "C" from new_rows
                ) as changed_rows (code)
                where code is not null
                limit %3$s + 1
              );
            elsif tg_op = 'INSERT' then
              changed := array(
                select upper(btrim(code::text) collate "C")
                from (select distinct %2$I collate "C" from new_rows) as changed_rows (code)
                where code is not null
                limit %3$s + 1
              );
            elsif tg_op = 'DELETE' then
              changed := array(
                select upper(btrim(code::text) collate "C")
                from (select distinct %2$I collate "C" from old_rows) as changed_rows (code)
                where code is not null
                limit %3$s + 1
              );
            end if;
            if cardinality(changed) = 0 then
              return null; -- no row was touched, or none that anybody can ask for
            elsif cardinality(changed) > %3$s then
              changed := null;
            end if;
          end if;
        exception when others then
          changed := null;
        end;
        insert into cities_cache.outbox (codes) values (changed);
        if not pg_try_advisory_xact_lock_shared(7231003) then
          perform pg_notify('city_updates', '');
        end if;
        return null;
      end
      $function$
    $template$, 'capture_' || captured.relation, captured.code, codes_max);
  end loop;
end
$migration$;

-- Read with every heartbeat. A function that pins a search_path is planned anew at each call, where one that doesn't
-- becomes part of the query; whoever calls it pins one.
alter function cities_cache.captured_tables() reset search_path;
