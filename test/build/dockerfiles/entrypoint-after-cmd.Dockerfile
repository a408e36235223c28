# engines: native buildkit docker podman buildah
FROM base
CMD ["x"]
ENTRYPOINT ["/bin/echo"]
