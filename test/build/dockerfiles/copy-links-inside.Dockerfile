# engines: native buildkit docker podman buildah
FROM scratch
COPY dir /d
# differs: docker,podman,buildah WorkingDir: BuildKit begins FROM scratch with /
