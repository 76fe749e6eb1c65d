# about: A script that sends itself SIGKILL ends there with the signal as its status.
echo before
kill -KILL $$
echo never
