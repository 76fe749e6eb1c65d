# about: A script with an interpreter line is started through that interpreter.
# standard: Linux execve(2), interpreter scripts
printf '#!/bin/bash\necho "ran $1 $#"\n' > f
chmod 755 f
./f one two
"$PWD/f"
env ./f x
