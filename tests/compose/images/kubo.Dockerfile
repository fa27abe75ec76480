# Stands in for ipfs/kubo where it cannot be pulled: `make kubo` has built it.
FROM debian:trixie-slim
COPY --chmod=0755 ipfs /usr/local/bin/ipfs
COPY kubo.sh /usr/local/bin/start_ipfs
RUN install --directory --owner=1000 --group=100 /data/ipfs
ENTRYPOINT ["sh", "/usr/local/bin/start_ipfs"]
