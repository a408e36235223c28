# engines: native buildkit docker podman buildah
FROM base
ADD archive.tar /opt
ADD archive.tar.gz /opt/owned
