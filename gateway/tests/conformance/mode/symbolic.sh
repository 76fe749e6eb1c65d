# about: Symbolic modes add, remove, copy and set bits.
touch f
chmod 644 f
for change in u+x g+w o-r a+r go= u=rwx,g=u,o=g a-w ug+rw,o= +x -x u+s g+s +t u-s,g-s,-t; do
  chmod $change f
  printf '%s %s\n' "$change" "$(stat -c %a f)"
done
