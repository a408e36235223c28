# engines: native buildkit docker podman buildah
FROM base
HEALTHCHECK CMD ["curl", "x"]
HEALTHCHECK --interval=5s CMD ["wget", "x"]
