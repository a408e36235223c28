# engines: native buildkit docker podman buildah
FROM base
COPY links /links
