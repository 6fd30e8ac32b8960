#!/usr/bin/env bash
# Runs the scenarios as an ordinary user, from copies that this user may read. Started by tests/run as the superuser.
set -euo pipefail
cd "$(dirname "$0")/.."
user=12345
cargo build --quiet --workspace --bins
tests=$(cargo test --no-run --package tests --message-format=json 2>/dev/null |
  python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "all":
        print(built["executable"])' | tail -n 1)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place/debug/deps" "$place/tmp"
cp target/debug/backspace "$place/debug/"
cp "$tests" "$place/debug/deps/all"
cp -r tests/fixtures "$place/"
chmod -R a+rX "$place"
chmod 755 "$place"
chown "$user:$user" "$place/tmp"
cd "$place"
env --ignore-environment PATH=/usr/local/bin:/usr/bin:/bin HOME="$place/tmp" TMPDIR="$place/tmp" \
  setpriv --reuid "$user" --regid "$user" --clear-groups \
  "$place/debug/deps/all" --test-threads 2 program:: waits:: tools:: recovery:: regressions:: contracts::
