# about: A directory's link count is two plus its subdirectories.
mkdir d
stat -c %h d
mkdir d/a d/b d/c
stat -c %h d
touch d/f
stat -c %h d
rmdir d/b
stat -c %h d
