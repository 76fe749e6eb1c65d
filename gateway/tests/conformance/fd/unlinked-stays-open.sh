# about: A file without a name stays readable and writable through an open descriptor.
# standard: POSIX.1-2017 unlink()
exec 3<> f
echo before >&3
exec 4< f
rm f
[ -e f ] && echo named || echo nameless
echo after >&3
cat <&4
exec 3>&- 4<&-
