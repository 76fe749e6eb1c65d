# about: od shows bytes in octal, hexadecimal and as characters.
printf 'AB\n\000\377' > f
od -An -tx1 f | tr -s ' '
od -An -to1 f | tr -s ' '
od -An -c f | tr -s ' '
od -An -tx1 -j1 -N2 f | tr -s ' '
