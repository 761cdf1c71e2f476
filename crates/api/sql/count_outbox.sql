-- How many changes wait for the relay, counted up to a limit ($3), and what the next count has to look at.
-- A deleted row stays in the table for as long as anybody's old snapshot is held open, so a count of everything would read
-- all that was deleted since then, each time. After a count, only two kinds of rows can still be there: those of
-- transactions from the xmax of its snapshot on ($1), and those of earlier ones that were still running or whose rows
-- waited ($2).
with waiting as materialized (
  select xid from (
    (select xid from cities_cache.outbox where xid >= $1::text::xid8 order by xid desc)
    union all
    (select xid from cities_cache.outbox where xid = any ($2::text[]::xid8[]))
  ) as found
  limit $3
)
select
  (select count(*) from waiting) as rows,
  pg_snapshot_xmax(pg_current_snapshot())::text as next_transaction,
  array(
    select xid::text from waiting
    union
    select pg_snapshot_xip(pg_current_snapshot())::text
  ) as unfinished
