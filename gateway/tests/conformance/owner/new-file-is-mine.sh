# about: New files, directories, links and FIFOs belong to the effective user and group.
touch f
mkdir d
ln -s f l
mkfifo p
for name in f d l p; do
  [ "$(stat -c %u:%g $name)" = "$(id -u):$(id -g)" ] && echo mine || echo other
done
[ -O f ] && [ -G f ] && echo test-agrees
