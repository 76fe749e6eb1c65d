# about: One thousand variables reach a child.
i=0
while [ $i -lt 1000 ]; do
  export "MANY_$i=$i"
  i=$((i + 1))
done
env | grep -c '^MANY_'
printenv MANY_999
