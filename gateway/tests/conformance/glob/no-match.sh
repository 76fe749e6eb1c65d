# about: A pattern without match stays as it is.
mkdir d
echo x*
echo d/*
ls x* 2>/dev/null && echo ok || echo fail
