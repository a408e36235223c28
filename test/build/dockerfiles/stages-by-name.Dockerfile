# engines: native buildkit podman buildah
# docker builds stages that nobody needs, too
FROM scratch AS unused
COPY nowhere /
FROM base AS first
LABEL stage=first
COPY a.txt /first
FROM first AS second
LABEL second=yes
COPY b.txt /second
FROM second
ENV from=second
