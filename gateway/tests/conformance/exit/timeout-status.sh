# about: timeout answers 124 for a program it had to end, and the program's own status otherwise.
timeout 0.2 sleep 5
echo $?
timeout 5 bash -c 'exit 6'
echo $?
timeout 5 true
echo $?
