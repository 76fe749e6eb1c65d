# about: A read from a pipe takes what it asked for and leaves the rest to the next process.
printf 'abcdefgh' | bash -c 'dd bs=1 count=3 2>/dev/null; echo; dd bs=1 count=2 2>/dev/null; echo; cat; echo'
