# about: A directory that cannot be read matches nothing.
mkdir d
touch d/f
chmod 311 d
echo d/*
echo d/f
chmod 755 d
echo d/*
