# about: exec replaces the program: nothing after it runs, and descriptors and environment stay.
# standard: POSIX.1-2017 exec
bash -c 'exec echo replaced; echo never'
X=1 bash -c 'exec printenv X'
bash -c 'exec 3> f; exec bash -c "echo kept >&3"'
cat f
