# about: The composed and the decomposed form of one letter are two names.
composed=$(printf '\303\251')
decomposed=$(printf 'e\314\201')
echo 1 > "$composed"
echo 2 > "$decomposed"
ls -1 | wc -l
cat "$composed" "$decomposed"
