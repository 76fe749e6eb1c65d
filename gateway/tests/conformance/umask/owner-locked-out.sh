# about: A umask may take the owner's own permissions, and the creating descriptor still writes.
# standard: POSIX.1-2017 open()
umask 777
exec 3> f
echo x >&3
exec 3>&-
umask 022
stat -c '%a %s' f
cat f 2>/dev/null && echo ok || echo fail
chmod 600 f
cat f
