# about: A program needs an execute bit, which must be the owner's for the owner.
# standard: POSIX.1-2017 exec EACCES
printf '#!/bin/bash\necho ran\n' > f
for mode in 644 655 011 700 755; do
  chmod $mode f
  ./f 2>/dev/null || echo refused
done
chmod 755 f
