-- KEYS: object, all names, bytes in use. ARGV: version that has to be there ('' for none), version of this write, name, bytes in
-- use at most, bytes. An object is its version (32), when it was written (13 digits of milliseconds), its bytes.
local there = redis.call('GETRANGE', KEYS[1], 0, 31)
if there == ARGV[2] then
    -- An earlier try of this write. Something is written, so that who waits for replicas waits for what is before it, too; and
    -- what needs no memory first.
    local used = redis.call('GET', KEYS[3]) or '0'
    redis.call('DEL', KEYS[3])
    redis.call('SET', KEYS[3], used)
    return 'done'
end
if ARGV[1] == '' and there ~= '' then
    return 'conflict'
end
if ARGV[1] ~= '' and there == '' then
    return 'missing'
end
if there ~= ARGV[1] then
    return 'conflict'
end
local before = redis.call('STRLEN', KEYS[1])
local used = tonumber(redis.call('GET', KEYS[3]) or '0') - before + 45 + #ARGV[5]
if used > tonumber(ARGV[4]) then
    return 'full'
end
local time = redis.call('TIME')
local now = string.format('%013.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', KEYS[1], ARGV[2] .. now .. ARGV[5])
redis.call('ZADD', KEYS[2], 0, ARGV[3])
redis.call('SET', KEYS[3], string.format('%.0f', used))
return 'done'
