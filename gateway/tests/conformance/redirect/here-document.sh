# about: A here-document is the standard input of a command, with or without expansion.
value=42
cat <<END
value is $value and $(echo sub)
END
cat <<'END'
value is $value
END
cat <<-END
	no tab
	END
