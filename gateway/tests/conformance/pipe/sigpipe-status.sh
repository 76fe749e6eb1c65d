# about: The writer of a pipe without a reader dies of SIGPIPE, which the shell sees as 141.
# standard: POSIX.1-2017 write() EPIPE, SIGPIPE
bash -c 'kill -PIPE $$' 2>/dev/null
echo $?
yes 2>/dev/null | head -n 1 >/dev/null
[ "${PIPESTATUS[0]}" -ne 0 ] && echo writer-ended || echo writer-succeeded
