# about: Through a symbolic link the shell keeps the logical path while the kernel knows the physical one.
mkdir real
ln -s real link
cd link
[ "${PWD##*/}" = link ] && echo logical
physical=$(env pwd -P)
echo "${physical##*/}"
echo x > f
cd ..
cat real/f
