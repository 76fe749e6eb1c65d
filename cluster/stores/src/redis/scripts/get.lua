-- KEYS[1]: an object. ARGV: the first byte wanted, the last. Its version and the bytes; nothing when it is not there.
local version = redis.call('GETRANGE', KEYS[1], 0, 31)
if version == '' then
    return false
end
if tonumber(ARGV[2]) < tonumber(ARGV[1]) then
    return {version, ''}
end
return {version, redis.call('GETRANGE', KEYS[1], 45 + tonumber(ARGV[1]), 45 + tonumber(ARGV[2]))}
