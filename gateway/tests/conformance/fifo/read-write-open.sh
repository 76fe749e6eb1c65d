# about: Opening a FIFO for reading and writing does not wait, and what is written can be read back.
# standard: Linux fifo(7)
mkfifo p
exec 3<> p
echo round >&3
echo trip >&3
dd bs=1 count=6 <&3 2>/dev/null
dd bs=1 count=5 <&3 2>/dev/null
exec 3>&-
