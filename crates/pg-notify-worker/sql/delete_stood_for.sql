-- A piece of the table, from $1 up to $2: the rows that the snapshot $3 saw, for which another one stands now. Found by
-- their place: what a piece costs depends neither on how many transactions wrote them nor on dead rows elsewhere.
delete from cities_cache.outbox
where outbox.ctid >= $1 and outbox.ctid < $2
  and pg_visible_in_snapshot(outbox.xid, $3::text::pg_snapshot)
