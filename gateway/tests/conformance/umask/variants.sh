# about: The umask takes its bits from every new file and directory.
# standard: POSIX.1-2017 umask()
for mask in 000 002 027 077 111 777; do
  umask $mask
  touch f-$mask
  mkdir d-$mask
done
umask 022
for mask in 000 002 027 077 111 777; do
  stat -c '%n %a' f-$mask d-$mask
done
rmdir d-*
rm -f f-*
