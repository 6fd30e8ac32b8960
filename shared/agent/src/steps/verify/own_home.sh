# Puts back what fresh_home.sh has moved aside, instead of what the checks left. $1 is the name of the directory that holds it.
set -eu
PATH=/usr/bin:/bin
aside=$1
for directory in "$HOME" "$TMPDIR" /dev/shm; do
  [ -d "$directory/$aside" ] && [ ! -L "$directory/$aside" ] || continue
  chmod u+rwx -- "$directory" "$directory/$aside" 2>/dev/null || true
  if [ -e "$directory/$aside/.complete" ]; then
    find "$directory" -mindepth 1 -maxdepth 1 -type d ! -name "$aside" -exec chmod -R u+rwX -- {} +
    find "$directory" -mindepth 1 -maxdepth 1 ! -name "$aside" -exec rm -rf -- {} +
  fi
  rm -f -- "$directory/$aside/.complete"
  find "$directory/$aside" -mindepth 1 -maxdepth 1 -exec mv -f -t "$directory" -- {} +
  rmdir -- "$directory/$aside"
done
