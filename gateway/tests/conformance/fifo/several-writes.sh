# about: A FIFO held open by one descriptor joins several writes into one stream for the reader.
mkfifo p
cat p > out &
exec 3> p
echo one >&3
seq 2 3 >&3
bash -c 'echo four >&3'
exec 3>&-
wait
cat out
