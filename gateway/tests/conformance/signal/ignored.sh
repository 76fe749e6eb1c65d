# about: An ignored signal has no effect, and SIGKILL cannot be ignored.
bash -c 'trap "" TERM HUP; kill -TERM $$; kill -HUP $$; echo alive'
bash -c 'trap "" KILL; kill -KILL $$; echo alive' 2>/dev/null
echo $?
