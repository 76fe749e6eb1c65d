# about: /proc/self/environ holds the environment a program was started with.
env -i A=1 'B=two words' "$(command -v cat)" /proc/self/environ | tr '\0' '\n' | sort
