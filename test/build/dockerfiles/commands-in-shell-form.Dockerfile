# engines: native buildkit docker podman buildah
FROM base
ENTRYPOINT exec top -b
CMD echo "hi $A"
