-- KEYS[2]: the leases: owner -> 'term ends about'. ARGV: random, 'renew' | 'grant' | 'look', owner, term, milliseconds, about.
-- A lease ends by the clock of Redis.
local asked, owner, term = ARGV[2], ARGV[3], tonumber(ARGV[4])
local held, live = redis.call('HGETALL', KEYS[2]), {}
for at = 1, #held, 2 do
    local its_term, ends = string.match(held[at + 1], '^(%d+) (%d+) ')
    if tonumber(ends) > now then
        live[held[at]] = {tonumber(its_term), held[at + 1]}
    else
        redis.call('HDEL', KEYS[2], held[at])
    end
end
local mine = live[owner]
if asked == 'look' then
    return answer(mine and 'alive' or 'dead')
end
if asked == 'renew' and not (mine and mine[1] == term) then
    return answer('lapsed')
end
if asked == 'grant' and mine and mine[1] > term then
    return answer('lapsed')
end
local value = ARGV[4] .. ' ' .. number(now + tonumber(ARGV[5])) .. ' ' .. ARGV[6]
redis.call('HSET', KEYS[2], owner, value)
live[owner] = {term, value}
local all = {}
for name, lease in pairs(live) do
    all[#all + 1] = name
    all[#all + 1] = string.match(lease[2], '^%d+ %d+ (.*)$')
end
return answer('held', all)
