# about: Every directory has dot and dot dot, which name itself and its parent.
mkdir -p a/b
ls -a a
[ "$(stat -c %i a)" = "$(stat -c %i a/.)" ] && echo self
[ "$(stat -c %i a)" = "$(stat -c %i a/b/..)" ] && echo parent
rmdir a/b/.. 2>/dev/null && echo ok || echo fail
mkdir a/. 2>/dev/null && echo ok || echo fail
mkdir a/.. 2>/dev/null && echo ok || echo fail
