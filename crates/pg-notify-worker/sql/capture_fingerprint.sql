-- The capture as it is: whatever could let a change pass unseen leaves another text here.
-- `xmin` tells a catalogue row that was changed and changed back (disable and enable in one transaction).
-- Arrays of oids, so that the catalogues are read by their indexes, however many tables the database has.
with relations as (
  select array(
    select captured.relation from cities_cache.captured_tables() as captured
    union
    select 'cities_cache.outbox'::regclass::oid
  ) as oids
)
select md5(string_agg(facts.fact, ' ' order by facts.fact))
from (
  -- A rewrite (`alter ... type ... using`) changes rows without any trigger, and gives the table another file.
  select concat_ws(':', 'class', class.oid, class.xmin, class.relfilenode) as fact
  from pg_class as class
  where class.oid = any((select relations.oids from relations)::oid[])
  union all
  select concat_ws(':', 'attribute', attribute.attrelid, attribute.attnum, attribute.xmin)
  from pg_attribute as attribute
  where attribute.attrelid = any((select relations.oids from relations)::oid[]) and attribute.attnum > 0
  union all
  select concat_ws(':', 'inherits', inherits.inhrelid, inherits.inhparent, inherits.xmin)
  from pg_inherits as inherits
  where inherits.inhrelid = any((select relations.oids from relations)::oid[])
  union all
  select concat_ws(':', 'inherited', inherits.inhrelid, inherits.inhparent, inherits.xmin)
  from pg_inherits as inherits
  where inherits.inhparent = any((select relations.oids from relations)::oid[])
  union all
  select concat_ws(':', 'policy', policy.oid, policy.xmin)
  from pg_policy as policy
  where policy.polrelid = any((select relations.oids from relations)::oid[])
  union all
  select concat_ws(':', 'trigger', trigger.oid, trigger.xmin, trigger.tgenabled)
  from pg_trigger as trigger
  where trigger.tgrelid = any((select relations.oids from relations)::oid[])
    and (not trigger.tgisinternal or trigger.tgname like 'cities\_cache\_%')
  union all
  -- By what hangs on our schema: functions have no index by schema, and there are thousands of PostgreSQL's own.
  select concat_ws(':', 'function', function.oid, function.xmin)
  from pg_depend as member
  join pg_proc as function on function.oid = member.objid
  where member.refclassid = 'pg_namespace'::regclass and member.refobjid = 'cities_cache'::regnamespace
    and member.classid = 'pg_proc'::regclass
) as facts
