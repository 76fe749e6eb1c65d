-- Before each script of the hot side. KEYS[1]: what tells this Redis from one that was emptied; ARGV[1]: random, to be that if it
-- is missing. Which Redis this is: its run_id, which a restart and a replica do not share; its replication id, which is new with
-- each promotion, so that a server which was primary before is another one; and that.
local mark = redis.call('GET', KEYS[1])
if not mark then
    mark = ARGV[1]
    redis.call('SET', KEYS[1], mark)
end
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local copies = redis.call('INFO', 'replication')
local place = string.match(copies, 'role:(%a+)') .. string.match(copies, 'master_replid:(%x+)')
local home = string.sub(redis.sha1hex(run_id .. place .. mark), 1, 16)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(value)
    return string.format('%.0f', value)
end

local function answer(kind, more)
    local all = {home, number(now), kind}
    for _, value in ipairs(more or {}) do
        all[#all + 1] = value
    end
    return all
end
