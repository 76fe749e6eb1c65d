# about: An interpreter may itself be a script.
# standard: Linux execve(2), since 2.6.28
printf '#!/bin/bash\necho "inner got $#"\n' > inner
chmod 755 inner
printf '#!%s/inner\n' "$PWD" > outer
chmod 755 outer
./outer a b
rm outer
