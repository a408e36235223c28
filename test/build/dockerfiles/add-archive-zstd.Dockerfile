# engines: native buildkit
FROM base
ADD archive.tar.zst /z/
