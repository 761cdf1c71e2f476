-- After these functions came, every writer that was open has ended.
insert into cities_cache.settled (functions) values ($1)
on conflict (only_row) do update set functions = excluded.functions
