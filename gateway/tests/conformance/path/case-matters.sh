# about: Names that differ in case are different files.
echo lower > name
echo upper > NAME
echo mixed > Name
cat name NAME Name
ls -1 | wc -l
