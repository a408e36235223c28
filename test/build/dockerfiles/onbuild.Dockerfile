# engines: native buildkit docker podman buildah
FROM base
ONBUILD COPY a.txt /a
ONBUILD ENV X=$Y
