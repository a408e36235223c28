# engines: native buildkit docker podman buildah
FROM base
HEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms --retries=4 CMD curl -f http://localhost/
