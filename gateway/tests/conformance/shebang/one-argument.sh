# about: Everything after the interpreter's name is one argument.
printf '#!/bin/echo a  b\n' > f
chmod 755 f
./f c
printf '#!/bin/bash -e\nfalse\necho never\n' > g
chmod 755 g
./g && echo ok || echo fail
