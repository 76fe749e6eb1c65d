# about: An interpreter line does not replace the execute permission.
printf '#!/bin/bash\necho ran\n' > f
./f 2>/dev/null
echo $?
bash f
chmod 755 f
./f
