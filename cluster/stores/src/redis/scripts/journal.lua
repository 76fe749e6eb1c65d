-- KEYS[2]: a session's journal, one hash, so that it is forgotten whole or not at all: f the fence; e the epoch that seeded it;
-- l its last event, or the one before its first; b the last event that was trimmed; n bytes of its entries; an entry under its
-- number. ARGV: random, what, milliseconds it is kept, home or '', epoch, bytes and entries at most, then what the request has.
local asked, epoch = ARGV[2], tonumber(ARGV[5])
local journal = KEYS[2]

local function field(name)
    return tonumber(redis.call('HGET', journal, name) or nil)
end

local function keep()
    redis.call('PEXPIRE', journal, ARGV[3])
end

-- Entries behind b up to l, and the epoch they are of.
local function entries()
    local last = field('l')
    if not last then
        return {'0', '0'}
    end
    local first = field('b') + 1
    local all = {number(field('e')), number(first)}
    local from = first
    while from <= last do
        local upto, names = math.min(from + 999, last), {}
        for seq = from, upto do
            names[#names + 1] = number(seq)
        end
        for _, value in ipairs(redis.call('HMGET', journal, unpack(names))) do
            all[#all + 1] = value
        end
        from = upto + 1
    end
    return all
end

local fence = field('f')
if asked == 'peek' then
    return answer('journal', entries())
end
if asked == 'raise' then
    if fence and fence > epoch then
        return answer('fenced')
    end
    redis.call('HSET', journal, 'f', number(epoch))
    keep()
    return answer('journal', entries())
end

-- What is written names the Redis and the epoch it is meant for.
if (ARGV[4] ~= '' and ARGV[4] ~= home) or not fence then
    return answer('forgotten')
end
if fence > epoch then
    return answer('fenced')
end
if fence < epoch then
    return answer('forgotten')
end
local by, last = field('e'), field('l')
if asked == 'seed' then
    local after = tonumber(ARGV[8])
    -- One that is late: what was appended since stays.
    if not (by == epoch and last > after) then
        redis.call('DEL', journal)
        redis.call('HSET', journal, 'f', number(epoch), 'e', number(epoch), 'l', number(after), 'b', number(after), 'n', '0')
    end
elseif asked == 'append' then
    local first = tonumber(ARGV[8])
    if by ~= epoch or first > last + 1 then
        return answer('forgotten')
    end
    local bytes, upto = field('n') or 0, math.max(last, first + #ARGV - 9)
    for seq = last + 1, upto do
        bytes = bytes + #ARGV[9 + seq - first]
    end
    if upto > last and (bytes > tonumber(ARGV[6]) or upto - field('b') > tonumber(ARGV[7])) then
        return answer('full')
    end
    for seq = last + 1, upto do
        redis.call('HSET', journal, number(seq), ARGV[9 + seq - first])
    end
    redis.call('HSET', journal, 'l', number(upto), 'n', number(bytes))
elseif asked == 'trim' and by then
    local from, upto = field('b') + 1, math.min(tonumber(ARGV[8]), last)
    local bytes = field('n') or 0
    for seq = from, upto do
        bytes = bytes - redis.call('HSTRLEN', journal, number(seq))
        redis.call('HDEL', journal, number(seq))
    end
    redis.call('HSET', journal, 'b', number(math.max(from - 1, upto)), 'n', number(math.max(bytes, 0)))
end
keep()
return answer('done')
