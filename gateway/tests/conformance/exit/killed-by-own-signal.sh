# about: A script that sends itself SIGTERM ends there with the signal as its status.
echo before
kill -TERM $$
echo never
