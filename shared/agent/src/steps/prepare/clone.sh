# Clones a repository into the workspace. $1 is the workspace, $2 the branch, $3 the source, $4 the URL of origin.
set -eu
workspace=$1 branch=$2 source=$3 origin=$4
# Another user owns the source, and git refuses to read the repositories of others unless they are marked as safe.
printf '[safe]\n\tdirectory = *\n' >"$HOME/.gitconfig"
cd -- "$workspace"
if [ -z "$source" ]; then
  git init --quiet --initial-branch="$branch" .
  git remote add -- origin "$origin"
else
  # Depth 50 and one branch: enough history to read, little to fetch. Not a blobless clone: it would fetch missing contents
  # on demand, so `git log -p`, `blame` and `revert` fail without a network.
  git clone --progress --depth=50 --single-branch --no-tags --branch "$branch" -- "$source" .
  git remote set-url -- origin "$origin"
fi
