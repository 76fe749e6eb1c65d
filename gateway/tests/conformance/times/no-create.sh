# about: touch -c makes no file, and touch of a missing directory fails.
touch -c missing && echo ok || echo fail
[ -e missing ] && echo exists || echo absent
touch no-dir/f 2>/dev/null && echo ok || echo fail
touch f && [ -e f ] && echo made
