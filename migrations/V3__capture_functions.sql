-- What the triggers call. One template, two tables: static SQL is planned once a session, dynamic SQL at each call.
--
-- SECURITY DEFINER, since a writer needs no right on this schema. Only the reading of the codes stands in the
-- exception block: whatever goes wrong there (a column renamed under us) becomes "anything may have changed", so that
-- no user's statement fails because of us.
--
-- The last step wakes a relay that has parked: it holds 7231003 exclusively then. While a writer holds it shared, the
-- relay can't park, so no wake-up is lost. NOTIFY in every transaction would cost writers most of their rate: such
-- commits are serialised for the whole cluster.
do $migration$
declare
  captured record;
begin
  for captured in
    select * from (values ('city', 'countrycode'), ('country', 'code')) as captured (relation, code)
  loop
    -- For statements: the distinct codes of all old and new rows together, however many rows there are. Told apart byte
    -- by byte: a collation that isn't deterministic takes `BĠR` and `BGR` for one, and `distinct` would keep one of them.
    -- The most frequent statement by far updates one row and leaves its code as it is: that is found out first, since
    -- telling codes apart costs a quarter of the whole capture.
    execute format($template$
      create function cities_cache.%1$I() returns trigger
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
      declare
        codes_max constant integer := 64; -- above it one "all" is cheaper for everybody than the codes
        changed text[];
      begin
        begin
          case tg_op
            when 'UPDATE' then
              changed := array(select %2$I::text from old_rows union all select %2$I::text from new_rows limit 3);
              if cardinality(changed) = 2 and changed[1] collate "C" = changed[2] then
                changed := array[upper(btrim(changed[1]) collate "C")];
              else
                changed := array(
                  select upper(btrim(code::text) collate "C")
                  from (
                    select %2$I collate "C" from old_rows union select %2$I collate "C" from new_rows
                  ) as changed_rows (code)
                  where code is not null
                  limit codes_max + 1
                );
              end if;
            when 'INSERT' then
              changed := array(
                select upper(btrim(code::text) collate "C")
                from (select distinct %2$I collate "C" from new_rows) as changed_rows (code)
                where code is not null
                limit codes_max + 1
              );
            when 'DELETE' then
              changed := array(
                select upper(btrim(code::text) collate "C")
                from (select distinct %2$I collate "C" from old_rows) as changed_rows (code)
                where code is not null
                limit codes_max + 1
              );
            else -- TRUNCATE
              changed := null;
          end case;
          if cardinality(changed) = 0 then
            return null; -- no row was touched, or none that anybody can ask for
          elsif cardinality(changed) > codes_max then
            changed := null;
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

    -- For rows, under session_replication_role = replica: the apply worker of logical replication fires no others.
    execute format($template$
      create function cities_cache.%1$I() returns trigger
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
      declare
        changed text[];
      begin
        begin
          changed := array(
            select distinct upper(btrim(code::text) collate "C")
            from (values (case when tg_op <> 'INSERT' then old.%2$I end), (case when tg_op <> 'DELETE' then new.%2$I end))
              as changed_row (code)
            where code is not null
          );
          if cardinality(changed) = 0 then
            return null;
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
    $template$, 'capture_' || captured.relation || '_row', captured.code);
  end loop;
end
$migration$;
