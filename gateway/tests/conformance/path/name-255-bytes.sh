# about: A name may have 255 bytes and not 256.
# standard: POSIX.1-2017 NAME_MAX, open() ENAMETOOLONG
name=$(head -c 255 /dev/zero | tr '\0' n)
echo x > $name && echo ok || echo fail
( echo x > ${name}n ) 2>/dev/null && echo ok || echo fail
mkdir ${name}n 2>/dev/null && echo ok || echo fail
ln -s x ${name}n 2>/dev/null && echo ok || echo fail
mv $name ${name}n 2>/dev/null && echo ok || echo fail
ls -1 | wc -c
