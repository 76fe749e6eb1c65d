# about: Ten thousand numbers in mixed order are sorted as numbers and as text.
seq 1 10000 | awk '{ print ($1 * 7919) % 10007 }' > mixed
sort -n mixed | cksum
sort mixed | cksum
sort -n mixed | head -n 3
sort -rn mixed | head -n 1
