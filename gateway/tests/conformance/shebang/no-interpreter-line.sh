# about: The shell runs a text file without interpreter line as a script.
# standard: POSIX.1-2017 2.9.1.1 command search and execution
printf 'echo "plain $1"\n' > f
chmod 755 f
./f arg
