# about: A here-document larger than a pipe is read whole.
text=$(seq 1 30000)
cat <<END | cksum
$text
END
wc -l <<END
$text
END
