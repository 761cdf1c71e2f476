#!lua
-- Puts new content in a code's place if what a reader saw there is still there: takes a lease, fills, frees.
--
-- KEYS[1]  the code's key
-- ARGV[1]  first bytes as seen; empty: there was no key
-- ARGV[2]  new content; empty: delete the key
-- ARGV[3]  milliseconds that the new content may live
-- answers  nothing when done; otherwise what is there now (empty: no key)
--
-- Without allow-oom: a full Redis refuses fills and goes on dropping what changes.
local there = redis.call('GET', KEYS[1])
local seen = ARGV[1]
if seen == '' then
  if there then return there end
elseif not there or string.sub(there, 1, #seen) ~= seen then
  return there or ''
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return false
