# about: A missing component fails the path even when dot dot follows it.
# standard: POSIX.1-2017 4.13 pathname resolution
echo x > f
cat missing/../f 2>/dev/null && echo ok || echo fail
cat f/../f 2>/dev/null && echo ok || echo fail
mkdir d
cat d/../f && echo ok || echo fail
