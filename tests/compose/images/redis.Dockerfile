# Stands in for redis:8 where it cannot be pulled.
FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends redis-server \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /tmp
