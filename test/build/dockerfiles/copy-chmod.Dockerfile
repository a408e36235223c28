# engines: native buildkit podman buildah
FROM base
COPY --chmod=600 a.txt /a.txt
COPY --chmod=0755 conf/ /conf/
