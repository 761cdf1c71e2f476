-- Readers as wrk plays them: each asks for one country after the other, by chance. The codes are its arguments.

local codes

function init(arguments)
  codes = arguments
  math.randomseed(tonumber(tostring(arguments):match("0x(%x+)"), 16)) -- another order in each thread
end

function request()
  return wrk.format("GET", "/cities/" .. codes[math.random(#codes)])
end
