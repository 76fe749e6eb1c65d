# about: exec keeps the process id and the parent process id.
bash -c 'echo $$ $PPID > before; exec bash -c "echo \$\$ \$PPID > after"'
cmp before after && echo same
rm before after
