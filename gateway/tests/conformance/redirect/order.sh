# about: Redirections are made from left to right.
bash -c 'echo out; echo err >&2' > both 2>&1
cat both
bash -c 'echo out; echo err >&2' 2>&1 > only | cat
cat only
