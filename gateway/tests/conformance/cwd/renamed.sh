# about: A process whose working directory is renamed stays in it under the new name.
here=$(pwd)
mkdir old
cd old
mv "$here/old" "$here/new"
echo inside > f
cat "$here/new/f"
[ "$(env pwd -P)" = "$(cd "$here"; env pwd -P)/new" ] && echo new-name
