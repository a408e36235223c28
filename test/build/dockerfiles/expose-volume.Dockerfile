# engines: native buildkit docker podman buildah
FROM base
ARG PORTS="90 91/udp"
EXPOSE 80 443/tcp 53/udp $PORTS
EXPOSE 8000-8002
VOLUME /data /cache
VOLUME ["/with space"]
# differs: podman,buildah ExposedPorts: ranges stay as they are written
# differs: podman,buildah /with space: they make the folders of volumes
