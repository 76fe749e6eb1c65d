# about: A user may neither remove nor create names in the device directory.
[ "$(id -u)" -ne 0 ] || exit 1
rm -f /dev/full 2>/dev/null && echo ok || echo fail
touch /dev/new-name 2>/dev/null && echo ok || echo fail
mkdir /dev/new-dir 2>/dev/null && echo ok || echo fail
[ -c /dev/full ] && echo there
