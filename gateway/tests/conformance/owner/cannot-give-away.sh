# about: A user without privilege cannot give a file to another user.
# standard: POSIX.1-2017 chown() EPERM
touch f
chown 0 f 2>/dev/null && echo ok || echo fail
chown 12345 f 2>/dev/null && echo ok || echo fail
[ "$(stat -c %u f)" = "$(id -u)" ] && echo mine
