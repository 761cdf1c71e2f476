#!lua flags=allow-oom
-- Moves a shard on: swaps its state and deletes what changed, in one step and in one slot, so that an asynchronous
-- failover rolls both back together. allow-oom: what must go goes, also when Redis is full.
--
-- KEYS[1]   the shard's state
-- KEYS[2]   the shard's changes
-- KEYS[3…]  keys of the codes to delete, value or lease
-- ARGV[1]   state as seen; empty: there was none
-- ARGV[2]   next state; empty: the state stays as it is, whatever it is
-- ARGV[3]   about how many changes are kept
-- ARGV[4…]  what goes into changes, three at a time: code (empty: all), offset, cause
-- answers   nothing when done; otherwise the state that is there (empty: none)

-- Arguments of one call to Redis at most: Lua's stack holds about 8,000.
local CHUNK = 1000

if ARGV[2] ~= '' then
  local there = redis.call('GET', KEYS[1]) or ''
  if there ~= ARGV[1] then return there end
  redis.call('SET', KEYS[1], ARGV[2])
end
for first = 3, #KEYS, CHUNK do
  redis.call('UNLINK', unpack(KEYS, first, math.min(first + CHUNK - 1, #KEYS)))
end
for i = 4, #ARGV, 3 do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'code', ARGV[i], 'offset', ARGV[i + 1], 'cause', ARGV[i + 2])
end
return false
