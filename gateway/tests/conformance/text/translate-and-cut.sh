# about: tr, cut and paste rewrite a stream.
printf 'a:b:c\nd:e:f\n' > f
cut -d: -f2 f
cut -c1,5 f
tr 'a-f' 'A-F' < f
tr -d ':' < f
paste -d, f f
tr -s 'x' <<< 'axxxb'
