# about: An absolute link leads to the same file from anywhere.
mkdir -p a/b
echo x > f
ln -s "$(pwd)/f" a/b/link
cat a/b/link
mv a/b/link a/link
cat a/link
rm a/link
