# about: Changing into a missing name or a file fails and leaves the working directory.
# standard: POSIX.1-2017 chdir() ENOENT, ENOTDIR
here=$(pwd)
echo x > f
cd missing 2>/dev/null && echo ok || echo fail
cd f 2>/dev/null && echo ok || echo fail
cd f/.. 2>/dev/null && echo ok || echo fail
[ "$(pwd)" = "$here" ] && echo stayed
