# engines: native buildkit docker podman buildah
FROM base
WORKDIR /work
COPY a.txt .
COPY a.txt ./
COPY a.txt sub/
COPY b.txt sub/../c.txt
WORKDIR deeper
COPY dir .
