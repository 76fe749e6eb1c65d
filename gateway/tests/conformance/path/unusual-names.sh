# about: Any byte but slash and NUL can be in a name.
touch 'two words' ./-dash 'new
line' 'tab	tab' 'star*' 'quote"' "apostrophe'" 'back\slash' '#hash' '~' 'ü€𝄞' ' lead' 'trail ' '...' '$x' ';'
ls -a | wc -l
rm ./-dash 'new
line'
[ -e 'back\slash' ] && [ -e '...' ] && [ -e 'ü€𝄞' ] && echo there
