# about: An assignment before a command is in that command's environment only.
V=one bash -c 'echo $V'
echo "${V-unset}"
V=outer
export V
V=inner printenv V
printenv V
