# about: /proc/self/cwd is a link to the working directory and can be walked through.
mkdir d
cd d
echo x > f
[ "$(readlink /proc/self/cwd)" = "$(env pwd -P)" ] && echo same
cat /proc/self/cwd/f
ls -1 /proc/self/cwd/..
