# about: timeout ends a program with the signal it is told to use.
timeout -s KILL 0.2 sleep 5
echo $?
timeout -s INT 0.2 sleep 5
echo $?
timeout -k 0.2 0.1 bash -c 'trap "" TERM; sleep 1; sleep 1; exit 0'
echo $?
