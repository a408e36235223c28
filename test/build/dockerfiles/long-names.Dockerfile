# engines: native buildkit docker podman buildah
FROM scratch
COPY a-name-that-is-longer-than-a-hundred-characters /
COPY dir /a-folder-whose-name-is-long-enough-for-a-pax-record/a-folder-whose-name-is-long-enough-for-a-pax-record/a-folder-whose-name-is-long-enough-for-a-pax-record/
# differs: docker,podman,buildah WorkingDir: BuildKit begins FROM scratch with /
