# about: A script that is its own interpreter cannot be started.
# standard: Linux execve(2) ELOOP
printf '#!%s/f\n' "$PWD" > f
chmod 755 f
env ./f 2>/dev/null && echo ok || echo fail
rm f
