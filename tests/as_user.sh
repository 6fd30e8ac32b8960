#!/usr/bin/env bash
# Runs the scenarios as an ordinary user, from copies that this user can read. tests/run starts it as the superuser.
set -euo pipefail
cd "$(dirname "$0")/.."
user=12345
cargo build --quiet --workspace --bins --lib --tests
tests=$(cargo test --no-run --workspace --lib --tests --message-format=json 2>/dev/null |
  python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] == "all" and "/tests#" in built["package_id"]:
        print(built["executable"])' | tail -n 1)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/debug/deps" "$copy/tmp"
cp target/debug/backspace "$copy/debug/"
cp "$tests" "$copy/debug/deps/all"
cp -r tests/fixtures "$copy/"
chmod -R a+rX "$copy"
chmod 755 "$copy"
chown "$user:$user" "$copy/tmp"
cd "$copy"
env --ignore-environment PATH=/usr/local/bin:/usr/bin:/bin HOME="$copy/tmp" TMPDIR="$copy/tmp" \
  setpriv --reuid "$user" --regid "$user" --clear-groups \
  "$copy/debug/deps/all" --test-threads 2 program:: waits:: tools:: recovery:: regressions:: contracts:: networks:: set_up:: \
  verification::outcomes verification::environment verification::left_out verification::interruptions
