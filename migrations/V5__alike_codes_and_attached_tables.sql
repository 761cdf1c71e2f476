-- Three things that V3 and V4 got wrong, each function whole again.

-- Codes are told apart byte by byte: a collation that isn't deterministic takes `BĠR` and `BGR` for one, and `distinct`
-- would keep one of them. Else as in V3.
do $migration$
declare
  captured record;
begin
  for captured in
    select * from (values ('city', 'countrycode'), ('country', 'code')) as captured (relation, code)
  loop
    -- For statements: the distinct codes of all old and new rows together, however many rows there are.
    execute format($template$
      create or replace function cities_cache.%1$I() returns trigger
      language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
      declare
        codes_max constant integer := 64; -- above it one "all" is cheaper for everybody than the codes
        changed text[];
      begin
        begin
          case tg_op
            when 'UPDATE' then
              changed := array(
                select upper(btrim(code::text) collate "C")
                from (
                  select %2$I collate "C" from old_rows union select %2$I collate "C" from new_rows
                ) as changed_rows (code)
                where code is not null
                limit codes_max + 1
              );
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
  end loop;
end
$migration$;

-- Every trigger that there must be, in the terms of pg_trigger, and the command that makes it. On a partitioned table
-- the row trigger stands on the parent alone: partitions get their clone of it, which can be enabled, too, where somebody
-- has disabled it. It has another name than on an ordinary table: one that was `city` until now may be attached to a new
-- `city`, which PostgreSQL refuses where the clone would have the name of a trigger that is there.
create or replace function cities_cache.wanted_triggers()
returns table (
  relation oid,
  trigger_name text,
  function_name text,
  type integer, -- bits of tgtype: 1 for each row, 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE
  enabled "char", -- A always; R replica only
  old_rows name,
  new_rows name,
  command text -- null: a clone that comes with its parent's
)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select
    captured.relation,
    kind.trigger_name,
    'capture_' || captured.root_name || kind.function_suffix,
    kind.type,
    kind.enabled,
    kind.old_rows,
    kind.new_rows,
    case
      when kind.type & 1 = 0 or captured.relation = captured.root then format(
        'create or replace trigger %1$I after %2$s on %3$s %4$s execute function cities_cache.%5$I();'
          ' alter table %3$s enable %6$s trigger %1$I',
        kind.trigger_name,
        kind.events,
        captured.relation::regclass,
        kind.clause,
        'capture_' || captured.root_name || kind.function_suffix,
        case kind.enabled when 'A' then 'always' else 'replica' end
      )
      else (
        select format('alter table %s enable replica trigger %I', captured.relation::regclass, clone.tgname)
        from pg_trigger as clone
        where clone.tgrelid = captured.relation and clone.tgname = kind.trigger_name
      )
    end
  from cities_cache.captured_tables() as captured
  join pg_class as root on root.oid = captured.root
  join (
    values
      ('cities_cache_insert', '', 'insert', 4, 'A'::"char", null::name, 'new_rows'::name,
        'referencing new table as new_rows for each statement', '{r,p}'::"char"[]),
      ('cities_cache_update', '', 'update', 16, 'A', 'old_rows', 'new_rows',
        'referencing old table as old_rows new table as new_rows for each statement', '{r,p}'),
      ('cities_cache_delete', '', 'delete', 8, 'A', 'old_rows', null,
        'referencing old table as old_rows for each statement', '{r,p}'),
      ('cities_cache_truncate', '', 'truncate', 32, 'A', null, null, 'for each statement', '{r,p}'),
      ('cities_cache_row', '_row', 'insert or update or delete', 29, 'R', null, null, 'for each row', '{r}'),
      ('cities_cache_partitioned_row', '_row', 'insert or update or delete', 29, 'R', null, null, 'for each row', '{p}')
  ) as kind (trigger_name, function_suffix, events, type, enabled, old_rows, new_rows, clause, roots)
    on root.relkind = any(kind.roots)
$$;
