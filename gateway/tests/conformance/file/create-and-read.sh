# about: A new file is regular, has mode 644 under umask 022 and gives back what was written.
printf 'hello' > f
stat -c '%F %a %s %h' f
cat f
echo
: > empty
stat -c '%F %s' empty
