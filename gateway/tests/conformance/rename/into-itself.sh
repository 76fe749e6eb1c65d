# about: A directory cannot be moved into itself or below itself.
# standard: POSIX.1-2017 rename() EINVAL
mkdir -p d/e
mv d d/x 2>/dev/null && echo ok || echo fail
mv d d/e/x 2>/dev/null && echo ok || echo fail
mv -T d d/e 2>/dev/null && echo ok || echo fail
find . | sort
