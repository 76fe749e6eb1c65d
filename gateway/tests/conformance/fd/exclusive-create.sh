# about: With noclobber a file is created exclusively: the second creation fails and keeps the content.
# standard: POSIX.1-2017 open() O_CREAT and O_EXCL
set -C
( echo first > f ) 2>/dev/null && echo ok || echo fail
( echo second > f ) 2>/dev/null && echo ok || echo fail
( echo third >| f ) 2>/dev/null && echo ok || echo fail
cat f
( echo null > /dev/null ) && echo ok || echo fail
