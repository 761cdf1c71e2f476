-- How many changes wait for the relay, counted up to a limit ($1): a full count of millions would be no readiness check.
select pg_catalog.count(*) from (select from cities_cache.outbox limit $1) as waiting
