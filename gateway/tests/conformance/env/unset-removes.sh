# about: An unset variable is gone from the environment of later children.
export V=x
printenv V
unset V
printenv V
echo $?
