# about: Newlines, equals signs, quotes and UTF-8 in a value reach the child unchanged.
export V='a=b
second "line" \ ü €'
printenv V
printenv V | wc -c
