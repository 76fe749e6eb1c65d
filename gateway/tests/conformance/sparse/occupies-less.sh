# about: A file that is one large hole occupies less than its size.
truncate -s 16777216 hole
[ $(( $(stat -c %b hole) * 512 )) -lt "$(stat -c %s hole)" ] && echo sparse || echo full
