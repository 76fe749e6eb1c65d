# about: Dot dot after a link leads to the parent of the link's target.
mkdir -p a/b other
echo wrong > f
echo right > a/f
ln -s ../a/b other/link
cat other/link/../f
ls other/link/.. | sort
