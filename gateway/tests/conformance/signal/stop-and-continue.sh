# about: A stopped child does nothing until it is continued.
bash -c 'sleep 0.3; echo ran > f' & child=$!
kill -STOP $child
sleep 0.6
[ -e f ] && echo ran || echo stopped
kill -CONT $child
wait $child
echo $?
cat f
