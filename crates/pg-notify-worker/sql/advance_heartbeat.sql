-- The next number; no row, where it isn't this generation's any more.
update cities_cache.heartbeat
set number = number + 1
where generation = $1 and table_oid = 'cities_cache.heartbeat'::regclass::oid
returning number
