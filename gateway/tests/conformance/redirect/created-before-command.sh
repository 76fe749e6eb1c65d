# about: The output file exists and is empty even when the command cannot be started or fails.
no-such-program > f 2>/dev/null
[ -e f ] && stat -c %s f
false > g
[ -e g ] && stat -c %s g
