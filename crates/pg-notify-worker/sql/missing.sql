-- Tables whose capture is not complete.
select
  missing.relation,
  missing.relation::regclass::text as name,
  string_agg(missing.trigger_name, ', ' order by missing.trigger_name) as triggers
from cities_cache.missing_capture() as missing
group by missing.relation
order by missing.relation
