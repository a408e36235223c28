# engines: native buildkit docker podman buildah
FROM base
ENV E=
ENV a=${A:-x} b=${NO:-x} c=${NO:+x} d=${A:+x} e=${E:-x} g="${NO:-$A}"
WORKDIR /${a}/$b
