# about: Making a directory fails where the name is taken or the parent missing.
# standard: POSIX.1-2017 mkdir() EEXIST, ENOENT
mkdir d
mkdir d 2>/dev/null && echo ok || echo fail
touch f
mkdir f 2>/dev/null && echo ok || echo fail
mkdir -p f 2>/dev/null && echo ok || echo fail
mkdir a/b 2>/dev/null && echo ok || echo fail
ln -s nowhere l
mkdir l 2>/dev/null && echo ok || echo fail
mkdir -p d && echo ok || echo fail
