-- The generation that vouches for what the same statement reads; no row where nobody does. A row that names another
-- table than this one came with a restored dump.
select generation from cities_cache.heartbeat
where table_oid = 'cities_cache.heartbeat'::pg_catalog.regclass::pg_catalog.oid
