# engines: native buildkit docker podman buildah
FROM scratch
COPY --from=base /etc /etc
COPY --from=base /opt/owned /owned
COPY --from=base /bin/busybox /bin/
# differs: docker,podman,buildah WorkingDir: BuildKit begins FROM scratch with /
