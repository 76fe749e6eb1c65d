# about: A pipe is transparent for all 256 byte values.
for high in 0 1 2 3; do
  for middle in 0 1 2 3 4 5 6 7; do
    for low in 0 1 2 3 4 5 6 7; do printf "\\$high$middle$low"; done
  done
done > all
wc -c < all
cat all | cat | cmp - all && echo same
cat all | od -An -v -tu1 | tr -s ' \n' '\n\n' | grep -c .
