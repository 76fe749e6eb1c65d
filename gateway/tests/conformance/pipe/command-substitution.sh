# about: Command substitution reads its pipe to the end and drops only the trailing newlines.
x=$(printf 'a\nb\n\n\n')
printf '[%s]\n' "$x"
y=$(seq 1 30000)
printf '%s' "$y" | wc -c
z=$(true)
printf '[%s]\n' "$z"
w=$(false) && echo ok || echo fail
