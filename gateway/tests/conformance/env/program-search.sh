# about: PATH decides which program runs, in its order, and an empty element is the working directory.
mkdir a b
printf '#!/bin/bash\necho from-a\n' > a/tool
printf '#!/bin/bash\necho from-b\n' > b/tool
printf '#!/bin/bash\necho from-here\n' > tool
chmod 755 a/tool b/tool tool
env PATH="$PWD/a:$PWD/b:$PATH" tool
env PATH="$PWD/b:$PWD/a:$PATH" tool
env PATH=":$PATH" tool
env PATH="$PATH" tool 2>/dev/null
echo $?
