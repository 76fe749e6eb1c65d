# about: An appending descriptor follows the end of file when the file is cut, a plain one leaves a hole.
echo 123456789 > f
exec 3>> f
truncate -s 2 f
printf X >&3
exec 3>&-
cat f
echo
exec 4> g
printf '12345678' >&4
truncate -s 2 g
printf Y >&4
exec 4>&-
od -An -c g | tr -s ' '
