-- Exactly the rows that were read and acknowledged. A row is never updated, so its ctid names it.
delete from cities_cache.outbox where ctid = any($1)
