# about: Devices are character special files with Linux's numbers and mode 666.
# standard: Linux null(4), random(4)
for name in null zero full random urandom; do
  stat -c '%n %F %a %t:%T' /dev/$name
done
[ -c /dev/null ] && echo character
[ -f /dev/null ] && echo regular || echo not-regular
