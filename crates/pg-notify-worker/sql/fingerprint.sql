-- The capture as it is: whatever could let a change pass unseen leaves another text here.
-- `xmin` tells a catalogue row that was changed and changed back (disable and enable in one transaction).
with relations as (
  select captured.relation from cities_cache.captured_tables() as captured
  union
  select 'cities_cache.outbox'::regclass::oid
)
select md5(string_agg(facts.fact, ' ' order by facts.fact))
from (
  -- A rewrite (`alter … type … using`) changes rows without any trigger, and gives the table another file.
  select concat_ws(':', 'class', class.oid, class.xmin, class.relfilenode) as fact
  from relations join pg_class as class on class.oid = relations.relation
  union all
  select concat_ws(':', 'attribute', attribute.attrelid, attribute.attnum, attribute.xmin)
  from relations join pg_attribute as attribute on attribute.attrelid = relations.relation
  where attribute.attnum > 0
  union all
  select concat_ws(':', 'inherits', inherits.inhrelid, inherits.inhparent, inherits.xmin)
  from relations
  join pg_inherits as inherits on relations.relation = inherits.inhrelid
  union all
  select concat_ws(':', 'inherited', inherits.inhrelid, inherits.inhparent, inherits.xmin)
  from relations
  join pg_inherits as inherits on relations.relation = inherits.inhparent
  union all
  select concat_ws(':', 'policy', policy.oid, policy.xmin)
  from relations join pg_policy as policy on policy.polrelid = relations.relation
  union all
  select concat_ws(':', 'trigger', trigger.oid, trigger.xmin, trigger.tgenabled)
  from relations join pg_trigger as trigger on trigger.tgrelid = relations.relation
  where not trigger.tgisinternal or trigger.tgname like 'cities\_cache\_%'
  union all
  select concat_ws(':', 'function', function.oid, function.xmin)
  from pg_proc as function
  where function.pronamespace = 'cities_cache'::regnamespace
) as facts
