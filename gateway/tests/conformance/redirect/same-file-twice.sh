# about: Two opens of one file for output overwrite each other, two appends do not.
bash -c 'printf AAAA; printf BB >&2' > f 2> f
cat f
echo
bash -c 'printf AAAA; printf BB >&2' >> g 2>> g
cat g
echo
