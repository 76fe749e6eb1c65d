# about: env -i starts a program with exactly the variables it is given.
env -i A=1 B='two words' C= env | sort
env -i PATH="$PATH" printenv PATH | grep -c /
env -i env | wc -l
