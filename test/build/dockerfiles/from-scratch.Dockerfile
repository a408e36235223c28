# engines: native buildkit docker podman buildah
FROM scratch
COPY a.txt /
# differs: docker,podman,buildah WorkingDir: BuildKit begins FROM scratch with /
