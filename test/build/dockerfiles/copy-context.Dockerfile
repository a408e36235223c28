# engines: native buildkit docker podman buildah
FROM scratch
COPY . /all/
# differs: docker,podman,buildah WorkingDir: BuildKit begins FROM scratch with /
# differs: docker,podman,buildah /all/setuid: they take the bit away when they change the owner
