# about: sort and uniq joined by a pipe count words.
printf '%s\n' b a c a b a > words
sort words | uniq -c | sort -rn | awk '{ print $1, $2 }'
sort -u words
sort words | uniq -d
