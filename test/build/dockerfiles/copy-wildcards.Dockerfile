# engines: native buildkit docker podman buildah
FROM base
COPY *.txt /texts/
COPY d?r/*.js /scripts/
COPY [a-b].txt /classes/
COPY con* /folders/
