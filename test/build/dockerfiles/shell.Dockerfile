# engines: native buildkit docker podman buildah
FROM base
SHELL ["/bin/sh", "-ec"]
CMD echo x
ENTRYPOINT echo y
# differs: podman,buildah Cmd: they use SHELL for RUN only
# differs: podman,buildah Entrypoint: they use SHELL for RUN only
