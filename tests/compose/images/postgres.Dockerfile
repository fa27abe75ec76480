# Stands in for postgres:17 where it cannot be pulled: Debian's PostgreSQL, started as the official image starts.
FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-17 \
 && rm -rf /var/lib/apt/lists/*
RUN usermod --uid 999 postgres 2>/dev/null; groupmod --gid 999 postgres \
 && install --directory --owner=999 --group=999 /var/lib/postgresql/data /var/run/postgresql /docker-entrypoint-initdb.d
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/17/bin:$PATH
ENTRYPOINT ["sh", "/usr/local/bin/docker-entrypoint.sh"]
