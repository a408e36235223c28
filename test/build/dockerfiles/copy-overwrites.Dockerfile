# engines: native buildkit docker podman buildah
FROM base
COPY b.txt /data/file
COPY dir /data
COPY dir2 /data
