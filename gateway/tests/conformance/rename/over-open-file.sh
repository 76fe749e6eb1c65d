# about: A reader of a file that is renamed over still reads the old content.
echo old > f
exec 3< f
echo new > g
mv g f
cat <&3
cat f
exec 3<&-
