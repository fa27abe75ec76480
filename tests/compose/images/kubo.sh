# The part of the official image's start that docker-compose.yml relies on: make the repository once, with the API on
# every interface of the container, then run the command.
set -eu
if [ ! -e "$IPFS_PATH/config" ]; then
  ipfs init --profile=server >/dev/null
  ipfs config Addresses.API /ip4/0.0.0.0/tcp/5001
  ipfs config Addresses.Gateway /ip4/0.0.0.0/tcp/8080
fi
exec ipfs "$@"
