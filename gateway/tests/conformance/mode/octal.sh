# about: chmod sets exactly the bits it is given, special bits included.
touch f
mkdir d
for mode in 000 777 640 4755 1644 7777 0; do
  chmod $mode f && stat -c %a f
done
for mode in 1777 2755 700; do
  chmod $mode d && stat -c %a d
done
chmod g-s d
stat -c %a d
