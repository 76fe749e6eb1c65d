-- What the server does when its memory is full. KEYS[1]: any, so that it is that server.
return string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:(%S+)') or ''
