-- The heartbeat as it stands now, under the same condition as in heartbeat_generation.sql.
select generation, number from cities_cache.heartbeat
where table_oid = 'cities_cache.heartbeat'::pg_catalog.regclass::pg_catalog.oid
