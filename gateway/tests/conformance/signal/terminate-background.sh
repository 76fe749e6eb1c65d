# about: A background child ended by a signal is reported by wait as 128 plus its number.
# standard: POSIX.1-2017 kill(), wait()
sleep 5 & kill -TERM $!
wait $! 2>/dev/null
echo $?
sleep 5 & kill -KILL $!
wait $! 2>/dev/null
echo $?
