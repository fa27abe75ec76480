# Makes the secrets of a mesh on Kubernetes, once: a folder for each Secret, a file for each of its keys.
#
#   secrets.sh FOLDER
#
# What is there is kept. `database` in each folder is the password of that service's PostgreSQL role.
set -eu
umask 077
home=$1

hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
once() { # FILE, and on stdin what becomes of it
  mkdir -p "$(dirname "$home/$1")"
  if [ -s "$home/$1" ]; then cat > /dev/null; else cat > "$home/$1.new" && mv "$home/$1.new" "$home/$1"; fi
}

for service in registry coordinator deployer security-gateway workspace-analyzer; do
  hex 24 | once "$service/database"
  hex 24 | once "$service/service.key"
done
for key in registry/chain coordinator/chain coordinator/evaluator; do
  { printf 0x && hex 32; } | once "$key.key"
done
hex 24 | once security-gateway/admin.key
for bytes in audit.key pepper kek; do head -c 32 /dev/urandom | once "security-gateway/$bytes"; done
openssl genpkey -algorithm ed25519 | once security-gateway/signing.key
head -c 32 /dev/urandom | once console/session.key
