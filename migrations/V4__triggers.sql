-- Which triggers there must be, which of them are missing or wrong, and the mending of one table. The relay asks at
-- the start of each generation; DDL happens only where something is missing, so a restart takes no lock.

-- The tables that the api reads, found by name anew each time, with all their partitions: a statement fires the
-- triggers of the table that it names, and TRUNCATE those of every table that it reaches.
create function cities_cache.captured_tables()
returns table (relation oid, root oid, root_name text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select member.relation, class.oid, class.relname::text
  from pg_class as class
  join pg_namespace as namespace on namespace.oid = class.relnamespace
  cross join lateral (
    select class.oid as relation
    union
    select tree.relid::oid from pg_partition_tree(class.oid) as tree
  ) as member
  where namespace.nspname = 'public' and class.relname in ('city', 'country') and class.relkind in ('r', 'p')
$$;

-- Every trigger that there must be, in the terms of pg_trigger, and the command that makes it. On a partitioned table
-- the row trigger stands on the parent alone: partitions get their clone of it, which can be enabled, too, where somebody
-- has disabled it. It has another name than on an ordinary table: one that was `city` until now may be attached to a new
-- `city`, which PostgreSQL refuses where the clone would have the name of a trigger that is there.
create function cities_cache.wanted_triggers()
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

-- What is missing or not as it must be: nothing, when the capture is complete.
create function cities_cache.missing_capture()
returns table (relation oid, trigger_name text, command text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select wanted.relation, wanted.trigger_name, wanted.command
  from cities_cache.wanted_triggers() as wanted
  where not exists (
    select
    from pg_trigger as present
    join pg_proc as function on function.oid = present.tgfoid
    join pg_namespace as namespace on namespace.oid = function.pronamespace
    where present.tgrelid = wanted.relation
      and present.tgname = wanted.trigger_name
      and namespace.nspname = 'cities_cache'
      and function.proname = wanted.function_name
      and present.tgtype = wanted.type
      and present.tgenabled = wanted.enabled
      and present.tgoldtable is not distinct from wanted.old_rows
      and present.tgnewtable is not distinct from wanted.new_rows
      and present.tgqual is null -- no WHEN that lets changes pass
      and cardinality(present.tgattr::int2[]) = 0 -- no list of columns
      and not present.tgdeferrable
  )
$$;

-- Makes or repairs the triggers of one table, which takes SHARE ROW EXCLUSIVE on it; answers how many it made.
-- SECURITY DEFINER: where the worker's role doesn't own the tables, their owner can be made the owner of this
-- function, and the worker needs no further right.
create function cities_cache.mend_capture(broken oid) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  missing record;
  mended integer := 0;
begin
  for missing in
    select command from cities_cache.missing_capture() where relation = broken and command is not null
  loop
    execute missing.command;
    mended := mended + 1;
  end loop;
  return mended;
end
$$;
revoke execute on function cities_cache.mend_capture(oid) from public;
