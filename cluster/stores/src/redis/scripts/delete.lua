-- KEYS: object, all names, bytes in use. ARGV: version that has to be there ('' for any), name.
local there = redis.call('GETRANGE', KEYS[1], 0, 31)
if ARGV[1] ~= '' and there == '' then
    return 'missing'
end
if ARGV[1] ~= '' and there ~= ARGV[1] then
    return 'conflict'
end
-- What frees memory comes first: a script that wrote something is not refused for want of it. Also of what is not there
-- something is written, so that who waits for replicas waits for an earlier try, too.
local used = tonumber(redis.call('GET', KEYS[3]) or '0') - redis.call('STRLEN', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('SET', KEYS[3], string.format('%.0f', used))
return 'done'
