# engines: native buildkit docker podman buildah
FROM base-onbuild
LABEL after=1
