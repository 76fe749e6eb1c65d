# about: Only the low eight bits of an exit status reach the parent.
# standard: POSIX.1-2017 exit()
for code in 0 1 127 128 254 255 256 257 511 512 65537; do
  bash -c "exit $code"
  printf '%s ' $?
done
echo
