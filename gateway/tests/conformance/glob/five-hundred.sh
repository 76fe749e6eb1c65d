# about: A pattern expands to five hundred names.
mkdir d
for i in $(seq 1 500); do : > d/file-$i; done
set -- d/file-*
echo $#
echo "$1" "${500}"
rm -r d
