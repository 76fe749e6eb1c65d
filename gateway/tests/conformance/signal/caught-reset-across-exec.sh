# about: A signal caught before exec has its default action after it.
# standard: POSIX.1-2017 exec
bash -c 'trap "echo caught" TERM; exec bash -c "kill -TERM \$\$; echo alive"' 2>/dev/null
echo $?
