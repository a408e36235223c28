# engines: native buildkit docker podman buildah
FROM base
COPY ["with space.txt", "ümläut", "/names/"]
COPY ["a.txt", "/with space/b c.txt"]
