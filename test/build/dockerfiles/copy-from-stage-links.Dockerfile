# engines: native buildkit docker podman buildah
FROM base AS one
COPY dir /usr/lib/dir
FROM scratch
COPY --from=one /lib/dir /through-a-link
COPY --from=one /usr/lib/dir/l.js /followed
# differs: docker,podman,buildah WorkingDir: BuildKit begins FROM scratch with /
