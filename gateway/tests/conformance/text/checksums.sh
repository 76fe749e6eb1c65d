# about: Checksums of the same bytes agree whether read from a file or a pipe.
seq 1 1000 > f
sha256sum < f | cut -d' ' -f1
cat f | sha256sum | cut -d' ' -f1
md5sum < f | cut -d' ' -f1
cksum < f
sha256sum f > sums
sha256sum -c sums > /dev/null && echo good
echo x >> f
sha256sum -c sums > /dev/null 2>&1 && echo good || echo bad
