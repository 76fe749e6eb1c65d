# about: Six processes joined by pipes run together and the last one's output is complete.
seq 1 50000 | cat | tr '0-4' '5-9' | cat | sort -u | wc -l
seq 1 20000 | cat | cat | cat | cat | tail -n 2
