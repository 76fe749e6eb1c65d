# about: A child ended by signal n is reported as 128 + n.
# standard: POSIX.1-2017 wait() WIFSIGNALED
for name in HUP INT KILL USR1 USR2 PIPE ALRM TERM; do
  bash -c "kill -$name \$\$; sleep 1; exit 99" 2>/dev/null
  echo "$name $?"
done 2>/dev/null
