# engines: native buildkit docker podman buildah
FROM base
COPY --chown=5:6 a.txt /owned/a.txt
COPY --chown=7 dir /dir
COPY --chown=0:9 a.txt /opt/
