# engines: native buildkit docker podman buildah
FROM scratch
COPY ignored /ignored
COPY . /
# differs: docker,podman,buildah WorkingDir: BuildKit begins FROM scratch with /
# differs: docker,podman,buildah /setuid: they take the bit away when they change the owner
