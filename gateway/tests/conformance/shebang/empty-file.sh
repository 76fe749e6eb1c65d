# about: The kernel does not execute an empty file, the shell runs it as a script without commands.
# standard: POSIX.1-2017 exec ENOEXEC
: > f
chmod 755 f
./f
echo $?
