# about: Patterns match in several components, and a trailing slash selects directories.
mkdir -p a/x b/x c
touch a/x/1 b/x/2 a/f f
ln -s a link
echo */
echo */x/*
echo */f
