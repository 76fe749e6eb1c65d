# about: Permission is checked when a file is opened: an open descriptor outlives a change of mode.
echo x > f
exec 3< f
exec 4>> f
chmod 000 f
cat <&3
echo y >&4 && echo written
exec 3<&- 4>&-
cat f 2>/dev/null && echo ok || echo fail
chmod 644 f
cat f
