# engines: native buildkit docker podman buildah
FROM base
COPY dir /dir
COPY dir/ /slash/
COPY dir/sub /dir/sub/again
