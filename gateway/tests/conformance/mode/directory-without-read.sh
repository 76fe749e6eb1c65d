# about: Without read permission a directory cannot be listed, but known names in it can be opened.
mkdir d
echo x > d/f
chmod 311 d
ls d > /dev/null 2>&1 && echo ok || echo fail
cat d/f
echo y > d/g && echo made
chmod 755 d
ls -1 d
