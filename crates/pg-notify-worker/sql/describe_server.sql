-- What the worker asks of a server before it changes anything there.
select
  current_setting('server_version_num')::int as version,
  pg_is_in_recovery() as is_standby,
  pg_backend_pid() as pid
