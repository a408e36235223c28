# engines: native buildkit docker podman buildah
FROM base AS one
COPY --chown=5:6 dir /made
WORKDIR /made/there
FROM scratch AS two
COPY --from=one /made/x.js /x.js
FROM base
COPY --from=one /made /all
COPY --from=0 /made/sub /sub
COPY --from=two /x.js /
COPY --from=one /etc/passwd /passwd
