# engines: native buildkit docker podman buildah
FROM base
ADD archive.tar /plain
ADD archive.tar.gz /packed/
ADD archive.tar /
