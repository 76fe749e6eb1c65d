# about: The standard input of the script itself is empty.
cat | wc -c
read -r line && echo read || echo end
