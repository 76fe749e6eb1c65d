# about: Blanks around the interpreter's name are allowed, a carriage return is part of it.
printf '#! \t /bin/echo  \t  arg  \nrest\n' > f
chmod 755 f
./f
printf '#!/bin/echo\r\n' > g
chmod 755 g
./g > /dev/null 2>&1 && echo ok || echo fail
