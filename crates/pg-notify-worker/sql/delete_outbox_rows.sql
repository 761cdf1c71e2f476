-- Exactly the rows that were read and acknowledged; a row is never updated, so its place tells it.
delete from cities_cache.outbox where ctid = any($1)
