# about: An open descriptor follows its file through a rename and ignores a new file of the old name.
# standard: POSIX.1-2017 rename()
exec 3> old
echo 1 >&3
mv old new
echo impostor > old
echo 2 >&3
exec 3>&-
cat new
echo --
cat old
