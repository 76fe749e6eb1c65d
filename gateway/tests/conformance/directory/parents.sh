# about: mkdir -p makes every missing parent and accepts those that exist.
mkdir -p a/b/c
mkdir -p a/b/c/d/../e
mkdir -p -m 700 x/y
find . -type d | sort
stat -c '%n %a' x x/y
