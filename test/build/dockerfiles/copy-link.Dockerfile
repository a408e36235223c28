# engines: native buildkit
FROM base
COPY --link a.txt /opt/
COPY --link --chown=3:4 dir /linked/dir
COPY --link a.txt /tmp/a.txt
