# engines: native buildkit docker podman buildah
FROM base
MAINTAINER Some Body <some@example.org>
LABEL a=1
LABEL a=2 b=3
