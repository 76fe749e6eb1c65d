# about: A tree of fifty levels can be made, walked and removed.
p=$(printf 'd/%.0s' $(seq 1 50))
mkdir -p $p
echo deep > ${p}f
cat ${p}f
find d -type d | wc -l
rm -r d
ls -1 | wc -l
