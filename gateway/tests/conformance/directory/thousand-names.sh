# about: A directory holds a thousand names and lists each exactly once.
mkdir d
cd d
touch $(seq 1 1000)
cd ..
ls -1 d | wc -l
ls -1 d | sort -n | uniq | tail -n 1
rm d/[1-9]??
ls -1 d | wc -l
rm -r d
