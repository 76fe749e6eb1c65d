# about: cd moves the working directory for relative paths, and cd - moves back.
mkdir -p a/b
here=$(pwd)
cd a/b
echo x > f
cd - > /dev/null
[ "$(pwd)" = "$here" ] && echo back
cat a/b/f
