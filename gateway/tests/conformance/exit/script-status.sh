# about: The status of the whole script is the one it exits with.
echo leaving
exit 7
