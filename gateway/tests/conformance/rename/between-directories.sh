# about: A rename between directories takes the name out of one and puts it in the other.
mkdir a b
echo x > a/f
mkdir a/d
mv a/f b/g
mv a/d b/
ls -1 a | wc -l
find b | sort
