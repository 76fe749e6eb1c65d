-- KEYS[1]: when what was taken is paid back. ARGV: microseconds a piece, pieces at once, pieces wanted. The generic cell rate
-- algorithm: returns 0 when they are taken, else the microseconds until they could be, -1 when they never can.
local piece, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if wanted > burst then
    return -1
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + wanted * piece
local wait = paid - burst * piece - now
if wait > 0 then
    return wait
end
redis.call('SET', KEYS[1], string.format('%.0f', paid), 'PX', math.ceil((paid - now) / 1000) + 1)
return 0
