# about: A caught signal runs its action and the script goes on.
trap 'echo caught' USR1
kill -USR1 $$
echo after
trap - USR1
bash -c 'kill -USR1 $$' 2>/dev/null
echo $?
