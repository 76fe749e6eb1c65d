# about: The standard stream names open what the process has on its descriptors.
echo in | cat /dev/stdin
echo x > f
cat /dev/stdin < f
echo out | tee /dev/stderr 2>/dev/null
bash -c 'echo err > /dev/stderr' 2>&1 | cat
echo stdout | cat > /dev/stdout | cat
