# about: Children writing through one inherited descriptor continue where the sibling before them stopped.
exec 3> f
bash -c 'echo first >&3'
seq 1 3 >&3
bash -c 'echo last >&3'
exec 3>&-
cat f
