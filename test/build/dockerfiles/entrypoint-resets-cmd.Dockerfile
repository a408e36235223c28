# engines: native buildkit docker podman buildah
FROM base
ENTRYPOINT ["/bin/echo"]
