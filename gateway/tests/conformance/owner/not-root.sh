# about: The session's user is not root and may not change what root owns.
[ "$(id -u)" -ne 0 ] || exit 1
chmod 777 / 2>/dev/null && echo ok || echo fail
chown "$(id -u)" / 2>/dev/null && echo ok || echo fail
[ "$(id -u)" = "$(id -ru)" ] && echo same
