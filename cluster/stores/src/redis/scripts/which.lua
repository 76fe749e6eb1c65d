-- Which server this is, as long as it is the primary: a promotion makes a new replication id, a restart a new run_id. KEYS[1]: any.
local server, copies = redis.call('INFO', 'server'), redis.call('INFO', 'replication')
return string.match(server, 'run_id:%x+') .. string.match(copies, 'role:%a+') .. string.match(copies, 'master_replid:%x+')
