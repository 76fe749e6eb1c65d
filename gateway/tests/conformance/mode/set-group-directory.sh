# about: A directory made in a set-group-id directory gets that bit, a file does not.
# standard: Linux inode(7), S_ISGID on directories
mkdir d
chmod 2755 d
mkdir d/sub
touch d/f
mkdir d/sub/deeper
stat -c '%n %a' d/sub d/f d/sub/deeper
