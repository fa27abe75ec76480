# One image per service: docker build --build-arg SERVICE=registry .
# What is the same for all comes before `ARG SERVICE`, so that it is made once.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/app/.venv UV_LINK_MODE=copy UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY cli cli
COPY client client
COPY shared shared
COPY services services
ARG SERVICE
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --locked --no-dev --no-editable --compile-bytecode --package "mesh-${SERVICE}"
# The console has no database, and so nothing to migrate.
RUN mkdir -p "services/${SERVICE}/migrations"

FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
ARG SERVICE
# The analyzer runs Nx and git, builds in bubblewrap; nobody else has a use for them.
RUN [ "${SERVICE}" != workspace-analyzer ] || { \
      apt-get update \
   && apt-get install --yes --no-install-recommends bubblewrap git nodejs npm \
   && rm -rf /var/lib/apt/lists/* \
   && npm ci --omit=dev --no-audit --no-fund; }
COPY --from=build /app/.venv .venv
COPY --from=build /src/services/${SERVICE}/migrations migrations
RUN useradd --uid 10001 --no-create-home mesh && install --directory --owner=mesh --mode=0700 /var/lib/mesh
USER 10001
ENV PATH=/app/.venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    MESH_HOST=0.0.0.0 \
    MESH_MIGRATIONS_DIR=/app/migrations \
    MESH_STATE_DIR=/var/lib/mesh
LABEL org.opencontainers.image.title="mesh-${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0"
CMD ["sh", "-c", "echo 'Name the service: command: [python, -m, mesh_…]' >&2; exit 2"]
