# about: A child's working directory, environment, umask and variables do not reach its parent.
mkdir d
before=$(pwd)
X=parent
export X
bash -c 'cd d; X=child; umask 077; echo $X'
echo "$X"
[ "$(pwd)" = "$before" ] && echo same-directory
touch f
stat -c %a f
