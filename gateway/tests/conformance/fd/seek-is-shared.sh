# about: A seek made by one process through an inherited descriptor is seen by the next one.
printf '0123456789' > f
exec 3<> f
dd bs=1 seek=4 count=0 >&3 2>/dev/null </dev/null
exec 3>&-
exec 3< f
dd bs=1 skip=6 count=1 of=/dev/null <&3 2>/dev/null
cat <&3
echo
exec 3<&-
