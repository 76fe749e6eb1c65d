# about: mkfifo makes a FIFO of mode 644 under umask 022 and refuses a name that is taken.
# standard: POSIX.1-2017 mkfifo() EEXIST
mkfifo p
stat -c '%F %a %s %h' p
[ -p p ] && echo fifo
mkfifo p 2>/dev/null && echo ok || echo fail
touch f
mkfifo f 2>/dev/null && echo ok || echo fail
mkfifo no-dir/p 2>/dev/null && echo ok || echo fail
mkfifo -m 600 q && stat -c %a q
