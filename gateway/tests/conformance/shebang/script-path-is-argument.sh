# about: The interpreter gets the path the script was started by, then its arguments.
printf '#!/bin/echo\n' > f
chmod 755 f
./f 'a b' c
mkdir d
mv f d/g
d/g
./d/../d/g
