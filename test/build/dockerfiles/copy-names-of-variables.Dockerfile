# engines: native buildkit docker podman buildah
FROM base
ARG name=a
ENV to=/to/
COPY ${name}.txt $to
COPY ${missing:-b}.txt "$to${name}"
