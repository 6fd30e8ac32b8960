# Prints a line for each pair of arguments, a program and how it is asked for its version: name, path, exit code, version.
while [ $# -ge 2 ]; do
  path=$(command -v "$1" || true)
  version= code=
  if [ -n "$path" ]; then
    version=$("$1" "$2" 2>&1 </dev/null)
    code=$?
  fi
  printf '%s\t%s\t%s\t%s\n' "$1" "$path" "$code" "$(printf %s "$version" | head -n 1 | tr '\t' ' ')"
  shift 2
done
