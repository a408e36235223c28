# engines: native buildkit docker podman buildah
FROM base
COPY --chown=app a.txt /a.txt
COPY --chown=app:staff b.txt /b.txt
COPY --chown=root:app dir /dir
COPY --chown=1000:staff a.txt /c.txt
