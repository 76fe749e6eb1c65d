# about: A child inherits the umask and cannot change its parent's.
umask 027
bash -c 'umask; umask 077; touch inner'
umask
touch outer
stat -c '%n %a' inner outer
