# Runs one command of the model. The command comes on standard input, so that it never stands on a command line.
# $1 is the directory that outlives the call; working directory and exported variables are kept there. $2 is -o or +o, for
# pipefail.
state="$1/shell"
command="$(cat; printf x)"
command="${command%x}"
exec </dev/null
if [ -f "$state" ]; then . "$state" >/dev/null 2>&1; fi
__keep() {
  local status=$?
  trap - EXIT
  { declare -px; printf 'cd -- %q\n' "$PWD"; } >"$state.new" 2>/dev/null && mv -f -- "$state.new" "$state"
  exit "$status"
}
trap __keep EXIT
set "$2" pipefail
set --
eval "$command"
