# about: wait returns the status of the background child it names, and everything it wrote is there.
bash -c 'sleep 0.1; echo done > f; exit 5' &
wait $!
echo $?
cat f
