# Runs one command of the model. The command is read from standard input, so that it is never part of a command line.
# $1 is the file in which working directory and exported variables are kept between calls.
# The command runs in this shell and shares its names, so those used here have a prefix that no command is likely to use.
# Read by the shell itself, in large pieces, which no other builtin does with a pipe: `cat` would be a process more.
mapfile __backspace_command
printf -v __backspace_command %s "${__backspace_command[@]}"
exec </dev/null
if [ -f "$1" ]; then . "$1" >/dev/null 2>&1; fi
__backspace_keep() {
  set -- "$?" "$1"
  set +a +e +u
  trap - EXIT
  unset __backspace_command
  { declare -px; printf 'cd -- %q\n' "$PWD"; } 2>/dev/null >|"$2"
  exit "$1"
}
trap "__backspace_keep ${1@Q}" EXIT
set --
eval "$__backspace_command"
