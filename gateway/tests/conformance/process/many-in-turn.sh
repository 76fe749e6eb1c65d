# about: Two hundred children one after another all start and are reaped.
i=0
while [ $i -lt 200 ]; do
  env true || echo failed $i
  i=$((i + 1))
done
echo $i
