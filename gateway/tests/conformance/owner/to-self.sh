# about: Setting the owner and group a file already has is allowed.
touch f
chown "$(id -u)" f && echo ok || echo fail
chgrp "$(id -g)" f && echo ok || echo fail
chown "$(id -u):$(id -g)" f && echo ok || echo fail
chown "$(id -u)" missing 2>/dev/null && echo ok || echo fail
