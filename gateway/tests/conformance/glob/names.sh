# about: Patterns match names of the working directory in order of their bytes.
touch b a c ab abc B 1
echo *
echo a*
echo ?
echo [ab]
echo [!a]*
