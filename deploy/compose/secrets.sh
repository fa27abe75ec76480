# Makes the mesh's secrets once and hands each service copies of its own: Compose would mount the host's files with the
# host's owner and mode, and no service is one of the host's users.
#
#   secrets.sh KEPT SERVED DATABASE
#
# KEPT is the host's folder, a file a secret. SERVED has a folder a service. DATABASE gets PostgreSQL's copies.
set -eu
umask 077
kept=$1 served=$2 database=$3
owner=${OWNER:-10001:10001}
services="registry coordinator deployer security-gateway workspace-analyzer"

refuse() {
  echo "secrets: $1" >&2
  exit 1
}

make() { # NAME
  case $1 in
    kek) copy=$served/security-gateway/kek ;;
    *) copy=$database/$1 ;;
  esac
  # A mesh that has run keeps its secrets, though the folder on the host is gone.
  if [ -s "$copy" ]; then
    cp "$copy" "$kept/$1"
  elif [ "$1" = kek ]; then
    head -c 32 /dev/urandom > "$kept/$1"
  else
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$kept/$1"
  fi
  chown --reference="$kept" "$kept/$1"
}

hand() { # NAME FILE
  install -m 0400 "$kept/$1" "$2.new"
  chown "$owner" "$2.new"
  mv -f "$2.new" "$2"
}

there="" missing=""
for name in postgres kek $services; do
  if [ -s "$kept/$name" ]; then there="$there $name"; else missing="$missing $name"; fi
done
[ -z "$there" ] || [ -z "$missing" ] || refuse "missing in .secrets:$missing. Bring them back; what was sealed or stored \
with them does not open with others. Without any data, remove .secrets and the volumes, and all are made anew."
for name in $missing; do make "$name"; done
chmod 0700 "$kept"

for name in postgres $services; do
  if [ -s "$database/$name" ] && ! cmp -s "$kept/$name" "$database/$name"; then
    refuse "the database was made with another password than the one in .secrets/$name. Bring that one back."
  fi
  install -m 0444 "$kept/$name" "$database/$name" # its volume is PostgreSQL's alone
done
for name in $services; do hand "$name" "$served/$name/database"; done
hand kek "$served/security-gateway/kek"
[ ! -s "$kept/akash" ] || hand akash "$served/deployer/akash"
for name in $services; do
  chown "$owner" "$served/$name"
  chmod 0700 "$served/$name"
done
