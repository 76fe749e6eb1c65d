# about: Standard output is saved on another descriptor, replaced and put back.
exec 6>&1
exec > f
echo to-file
seq 1 2
exec 1>&6 6>&-
echo to-screen
cat f
