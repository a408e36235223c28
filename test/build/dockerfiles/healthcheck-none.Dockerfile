# engines: native buildkit docker podman buildah
FROM base
HEALTHCHECK NONE
