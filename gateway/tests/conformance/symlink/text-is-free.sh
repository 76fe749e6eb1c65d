# about: The text of a link is kept exactly, whatever it says.
ln -s 'no such/../place//./ü ' a
ln -s ../../../../../../../../etc b
ln -s 'new
line' c
readlink a b c
stat -c %s a b c
