# about: A child that was waited for can no longer be signalled.
# standard: POSIX.1-2017 wait(), kill() ESRCH
bash -c 'exit 0' & child=$!
wait $child
kill -0 $child 2>/dev/null && echo alive || echo gone
kill -0 $$ && echo self-alive
