# Anvil, with a state that outlives a kill: `sh anvil.sh FOLDER ARGUMENTS…`.
# It writes itself down over what it wrote before, so a kill in the middle leaves the beginning of a file, with which it does not
# start. The last whole file is therefore kept beside it, and taken instead.
set -eu
state=$1/state.json
kept=$1/kept.json
shift

# All in the file but its braces is hexadecimal and names, so they are even in a whole one and in no beginning of one.
is_whole() {
  [ -s "$1" ] && [ "$(tr -dc '{' <"$1" | wc -c)" -eq "$(tr -dc '}' <"$1" | wc -c)" ]
}

keep() {
  if [ ! -e "$kept" ] || [ "$state" -nt "$kept" ]; then
    cp "$state" "$kept.new" && is_whole "$kept.new" && mv "$kept.new" "$kept"
  fi
}

if [ -e "$state" ] && ! is_whole "$state"; then
  rm "$state"
  if [ -e "$kept" ]; then
    cp "$kept" "$state"
    echo "anvil: killed while it wrote itself down; goes on from the copy of a minute before" >&2
  else
    echo "anvil: killed while it wrote itself down for the first time; begins anew" >&2
  fi
fi
while sleep "${ANVIL_KEEP_S:-10}"; do keep || :; done 2>/dev/null &
exec anvil "$@" --state "$state"
