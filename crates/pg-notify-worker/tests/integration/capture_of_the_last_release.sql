-- What migrations 3 and 5 of the last release left behind, as far as an upgrade meets it: the capture functions, and
-- their lines in the history. V1, V2 and V4 have been applied.
insert into cities_cache.schema_history (version, name, applied_on, checksum) values
  (3, 'capture_functions', '2026-11-20T00:00:00Z', '1'),
  (5, 'lean_capture', '2026-11-24T00:00:00Z', '1');

do $migration$
declare
  captured record;
begin
  for captured in
    select * from (values ('city', 'countrycode'), ('country', 'code')) as captured (relation, code)
  loop
    execute format($template$
      create function cities_cache.%1$I() returns trigger
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
      declare
        changed text[];
      begin
        begin
          if tg_op = 'UPDATE' then
            changed := array(
              select upper(btrim(code::text) collate "C")
              from (select %2$I collate "C" from old_rows union select %2$I collate "C" from new_rows) as changed_rows (code)
              where code is not null
            );
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
    $template$, 'capture_' || captured.relation, captured.code);

    execute format($template$
      create function cities_cache.%1$I() returns trigger
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
      begin
        insert into cities_cache.outbox (codes) values (null);
        return null;
      end
      $function$
    $template$, 'capture_' || captured.relation || '_row');
  end loop;
end
$migration$;
alter function cities_cache.captured_tables() reset search_path;
