# about: A variable with an empty value is in the environment, unlike an unset one.
E= bash -c 'echo "[${E-unset}]"'
E= printenv E
echo $?
printenv NOT_THERE
echo $?
