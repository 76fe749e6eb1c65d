-- KEYS[1]: all names. ARGV: from, to, how many, what the objects' keys begin with. Name, bytes, when: of each.
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local all = {}
for _, name in ipairs(names) do
    local object = ARGV[4] .. name
    all[#all + 1] = name
    all[#all + 1] = redis.call('STRLEN', object) - 45
    all[#all + 1] = redis.call('GETRANGE', object, 32, 44)
end
return all
