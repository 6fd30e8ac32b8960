# Gives the checks a home and a directory for temporary files as they were before the model worked: what it left there is moved
# aside. $1 is the name of the directory that it is moved into, $2 an archive of the home after the set-up; empty without a set-up.
# Can be run again: what the checks left is then deleted first. Nothing that is found there is trusted, as a command may have left it.
set -eu
PATH=/usr/bin:/bin
aside=$1 archive=$2
for directory in "$HOME" "$TMPDIR" /dev/shm; do
  [ -d "$directory" ] || continue
  chmod u+rwx -- "$directory" 2>/dev/null || [ -w "$directory" ] || continue
  if [ -L "$directory/$aside" ] || { [ -e "$directory/$aside" ] && [ ! -d "$directory/$aside" ]; }; then
    rm -f -- "$directory/$aside"
  fi
  # A directory that its owner cannot write to can be neither moved nor emptied.
  if [ -e "$directory/$aside/.complete" ]; then
    find "$directory" -mindepth 1 -maxdepth 1 -type d ! -name "$aside" -exec chmod -R u+rwX -- {} +
    find "$directory" -mindepth 1 -maxdepth 1 ! -name "$aside" -exec rm -rf -- {} +
  else
    mkdir -p -- "$directory/$aside"
    chmod u+rwx -- "$directory/$aside"
    find "$directory" -mindepth 1 -maxdepth 1 -type d ! -name "$aside" ! -perm -700 -exec chmod u+rwx -- {} +
    find "$directory" -mindepth 1 -maxdepth 1 ! -name "$aside" -exec mv -f -t "$directory/$aside" -- {} +
    : >"$directory/$aside/.complete"
  fi
done
if [ -n "$archive" ]; then
  tar -C "$HOME" -xf "$archive"
fi
# Another user may own the checkout, and git refuses to read the repositories of others unless they are marked as safe.
[ -e "$HOME/.gitconfig" ] || printf '[safe]\n\tdirectory = *\n' >"$HOME/.gitconfig"
