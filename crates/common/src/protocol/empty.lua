#!lua flags=allow-oom
-- Empties a shard: its state gets a new epoch and keeps everything else, whatever that is. allow-oom: as in apply.lua.
--
-- KEYS[1]  the shard's state
-- KEYS[2]  the shard's changes
-- ARGV[1]  the new epoch, which no state has had before
-- ARGV[2]  about how many changes are kept
-- ARGV[3]  what goes into changes: offset …
-- ARGV[4]  … and cause
-- answers  nothing

local state = redis.call('GET', KEYS[1])
-- A shard without a state holds nothing.
if not state then return false end
-- A state begins with its epoch, and every epoch has the same length.
redis.call('SET', KEYS[1], ARGV[1] .. string.sub(state, #ARGV[1] + 1))
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'code', '', 'offset', ARGV[3], 'cause', ARGV[4])
return false
