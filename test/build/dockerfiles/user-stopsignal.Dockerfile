# engines: native buildkit docker podman buildah
FROM base
ARG WHO=app
USER $WHO:staff
STOPSIGNAL SIGQUIT
