# about: With SIGPIPE ignored a writer sees the error itself instead of dying.
# standard: POSIX.1-2017 write() EPIPE
bash -c 'trap "" PIPE; yes 2>/dev/null; echo "status $?" > f' | head -n 1
for i in $(seq 1 50); do [ -s f ] && break; sleep 0.02; done
grep -c '^status [1-9]' f
rm f
