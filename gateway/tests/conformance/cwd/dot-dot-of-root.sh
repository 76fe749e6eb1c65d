# about: The parent of the root directory is the root directory.
cd /
cd ..
pwd
cd /../../..
pwd
[ "$(stat -c %i /)" = "$(stat -c %i /..)" ] && echo same
