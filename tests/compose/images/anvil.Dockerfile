# Stands in for Foundry's image where it cannot be pulled: its Anvil comes from npm, as on a developer's machine.
FROM debian:trixie-slim
COPY --chmod=0755 anvil /usr/local/bin/anvil
RUN install --directory --owner=10001 --group=10001 /tmp/anvil
