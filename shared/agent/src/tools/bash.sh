# Runs one command of the model. The command comes on standard input, so that it never stands on a command line.
# $1 is the directory that outlives the call; working directory and exported variables are kept there. $2 is -o or +o, for
# pipefail. The names used here are reserved, because the command shares them: what it calls its variables is its own affair.
__backspace_command=$(cat)
exec </dev/null
if [ -f "$1/shell" ]; then . "$1/shell" >/dev/null 2>&1; fi
__backspace_keep() {
  set -- "$?" "$1"
  set +a +e +u
  trap - EXIT
  unset __backspace_command
  { declare -px; printf 'cd -- %q\n' "$PWD"; } 2>/dev/null >|"$2"
  exit "$1"
}
trap "__backspace_keep ${1@Q}/shell" EXIT
set "$2" pipefail
set --
eval "$__backspace_command"
