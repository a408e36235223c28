# engines: native buildkit docker podman buildah
FROM base
CMD ["a", "b c", "\u0041"]
ENTRYPOINT ["/bin/sh"]
