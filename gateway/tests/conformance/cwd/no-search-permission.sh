# about: A directory without execute permission cannot become the working directory.
# standard: POSIX.1-2017 chdir() EACCES
mkdir d
chmod 600 d
cd d 2>/dev/null && echo ok || echo fail
chmod 100 d
cd d 2>/dev/null && echo ok || echo fail
cd ..
chmod 755 d
