# about: The full device refuses every write for lack of space and reads as zeros.
# standard: Linux full(4), ENOSPC
( echo x > /dev/full ) 2>/dev/null && echo ok || echo fail
seq 1 10 2>/dev/null > /dev/full && echo ok || echo fail
printf '' > /dev/full && echo ok || echo fail
cat /dev/null > /dev/full && echo ok || echo fail
dd if=/dev/zero of=/dev/full bs=512 count=1 2>/dev/null && echo ok || echo fail
head -c 3 /dev/full | od -An -tx1 | tr -s ' '
