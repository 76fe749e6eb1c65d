# about: A path may have 4095 bytes and not 4096.
# standard: POSIX.1-2017 PATH_MAX, ENAMETOOLONG
echo x > f
p=$(printf './%.0s' $(seq 1 2047))f
printf '%s' "$p" | wc -c
cat "$p"
p=${p%f}/f
printf '%s' "$p" | wc -c
cat "$p" 2>/dev/null && echo ok || echo fail
