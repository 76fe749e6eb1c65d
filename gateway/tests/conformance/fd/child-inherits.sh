# about: A child sees the descriptors its parent has open, and not those closed for it.
exec 5> f
bash -c 'echo from-child >&5'
bash -c 'echo lost >&5' 5>&- 2>/dev/null && echo ok || echo fail
exec 5>&-
cat f
