# about: Only exported variables reach a child.
A=1
export B=2
bash -c 'echo "${A-unset} ${B-unset}"'
export A
bash -c 'echo "${A-unset} ${B-unset}"'
