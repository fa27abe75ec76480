# The part of the official image's start that docker-compose.yml relies on: make the data folder once, with a password
# from a file, run the scripts of /docker-entrypoint-initdb.d against it, then serve.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl start --wait --silent --options="-c listen_addresses=''"
  for script in /docker-entrypoint-initdb.d/*.sh; do sh "$script"; done
  pg_ctl stop --wait --silent --mode=fast
fi
exec postgres -c "listen_addresses=*"
