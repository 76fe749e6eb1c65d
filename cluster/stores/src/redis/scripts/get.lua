-- KEYS[1]: an object. ARGV: the first byte wanted, the last. Its version, how long it is, the bytes; nothing when it is not there.
local version = redis.call('GETRANGE', KEYS[1], 0, 31)
if version == '' then
    return false
end
local length = redis.call('STRLEN', KEYS[1]) - 45
if tonumber(ARGV[2]) < tonumber(ARGV[1]) then
    return {version, length, ''}
end
return {version, length, redis.call('GETRANGE', KEYS[1], 45 + tonumber(ARGV[1]), 45 + tonumber(ARGV[2]))}
