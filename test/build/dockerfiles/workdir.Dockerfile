# engines: native buildkit docker podman buildah
FROM base
WORKDIR /a
WORKDIR b/../c
WORKDIR /tmp
WORKDIR /lib/new
ENV D=/from/env
WORKDIR $D
