-- Tables whose capture is not complete, and the command by which their owner lets us mend it: `alter table ... enable
-- always trigger` is an owner's right, and the lock that waits for writers is one of who may update.
select
  missing.relation,
  missing.relation::regclass::text as name,
  string_agg(missing.trigger_name, ', ' order by missing.trigger_name) as triggers,
  format(
    'alter function cities_cache.mend_capture(oid) owner to %1$I; grant usage on schema cities_cache to %1$I; '
      'grant execute on function cities_cache.mend_capture(oid) to %2$I; '
      'grant update on public.city, public.country to %2$I',
    pg_get_userbyid(class.relowner),
    current_user
  ) as permission
from cities_cache.missing_capture() as missing
join pg_class as class on class.oid = missing.relation
group by missing.relation, class.relowner
order by missing.relation
