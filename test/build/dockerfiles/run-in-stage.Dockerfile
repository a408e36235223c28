# engines: buildkit docker podman buildah
FROM base AS one
RUN mkdir /out && echo made > /out/file
FROM scratch
COPY --from=one /out /out
