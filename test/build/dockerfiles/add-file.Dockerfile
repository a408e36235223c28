# engines: native buildkit docker podman buildah
FROM base
ADD a.txt /a.txt
ADD --chown=5:6 dir /dir
ADD notar.gz /
