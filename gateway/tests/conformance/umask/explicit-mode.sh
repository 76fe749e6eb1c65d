# about: A mode given to mkdir or mkfifo is taken exactly, parents of mkdir -p obey the umask.
umask 077
mkdir -m 755 d
mkfifo -m 666 p
mkdir -p -m 777 a/b
stat -c '%n %a' a a/b d p
