# about: Forty links in a row are followed and forty-one are not.
# standard: Linux path_resolution(7), ELOOP
echo end > link0
i=1
while [ $i -le 41 ]; do
  ln -s link$((i - 1)) link$i
  i=$((i + 1))
done
cat link39
cat link40
cat link41 2>/dev/null && echo ok || echo fail
