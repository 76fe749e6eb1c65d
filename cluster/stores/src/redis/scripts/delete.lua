-- KEYS: object, all names, bytes in use. ARGV: version that has to be there ('' for any), name.
local there = redis.call('GETRANGE', KEYS[1], 0, 31)
if ARGV[1] ~= '' and there == '' then
    return 'missing'
end
if ARGV[1] ~= '' and there ~= ARGV[1] then
    return 'conflict'
end
if there ~= '' then
    local used = tonumber(redis.call('GET', KEYS[3]) or '0') - redis.call('STRLEN', KEYS[1])
    redis.call('SET', KEYS[3], string.format('%.0f', used))
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
return 'done'
