# about: Repeated slashes and dot components name the same file.
mkdir -p a/b
echo x > a/b/f
cat a//b///f ./a/./b/./f a/b/../b/f a/../a/b/f
[ "$(stat -c %i a/b/f)" = "$(stat -c %i .//a/./b/../b/f)" ] && echo same
