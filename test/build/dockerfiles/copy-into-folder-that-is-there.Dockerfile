# engines: native buildkit docker podman buildah
FROM base
COPY a.txt /opt
COPY a.txt /opt/owned
COPY conf /opt/owned
