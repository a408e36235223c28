# engines: native buildkit docker podman buildah
FROM base
COPY a.txt /lib/a.txt
COPY a.txt /lib/
COPY conf /lib/conf/
COPY a.txt /absolute/deep/a.txt
