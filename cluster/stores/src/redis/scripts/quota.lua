-- KEYS[1]: the pieces that were left, and when. ARGV: pieces a second, pieces at once, pieces wanted. A token bucket: returns 0
-- when they are taken, else the microseconds until they could be, -1 when they never can.
local rate, burst, wanted = tonumber(ARGV[1]) / 1000000, tonumber(ARGV[2]), tonumber(ARGV[3])
if wanted > burst then
    return -1
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local left, since = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+)$')
left, since = tonumber(left or burst), tonumber(since or now)
left = math.min(burst, left + math.max(0, now - since) * rate)
if wanted > left then
    return math.ceil((wanted - left) / rate)
end
left = left - wanted
redis.call('SET', KEYS[1], string.format('%.9f %.0f', left, now), 'PX', math.ceil((burst - left) / rate / 1000) + 1)
return 0
