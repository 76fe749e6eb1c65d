# about: realpath removes dots and links and refuses a missing directory.
mkdir -p a/b
ln -s a/b link
top=$(realpath .)
p=$(realpath link/../b/.)
echo "${p#"$top"}"
p=$(realpath link/new)
echo "${p#"$top"}"
realpath missing/new > /dev/null 2>&1 && echo ok || echo fail
realpath -e a/missing > /dev/null 2>&1 && echo ok || echo fail
