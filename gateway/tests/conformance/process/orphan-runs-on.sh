# about: A process outlives the parent that started it and still writes its file.
bash -c 'bash -c "sleep 0.2; echo orphan > f" & exit 3'
echo $?
i=0
while [ ! -s f ] && [ $i -lt 50 ]; do
  sleep 0.05
  i=$((i + 1))
done
cat f
