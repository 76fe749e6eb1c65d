# about: A pipeline has the status of its last process.
false | true
echo $?
true | false
echo $?
bash -c 'exit 3' | bash -c 'exit 4'
echo $?
