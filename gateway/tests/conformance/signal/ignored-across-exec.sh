# about: A signal ignored before exec stays ignored after it.
# standard: POSIX.1-2017 exec
bash -c 'trap "" TERM; exec bash -c "kill -TERM \$\$; echo alive"'
bash -c 'trap "" TERM; bash -c "kill -TERM \$\$; echo alive"'
