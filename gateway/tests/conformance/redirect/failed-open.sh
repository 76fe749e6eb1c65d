# about: A command whose redirection fails does not run.
touch ran-marker
rm ran-marker
env touch ran-marker < missing 2>/dev/null && echo ok || echo fail
env touch ran-marker 2>/dev/null > no-dir/f && echo ok || echo fail
[ -e ran-marker ] && echo ran || echo not-run
