# engines: native buildkit docker podman buildah
ARG VERSION=1
FROM base
ARG VERSION
ARG OTHER=${VERSION}.2
ARG A=from-arg
ENV V=$VERSION O=$OTHER PLAIN="with space" SINGLE='$V' ESC=a\ b
ENV old form with  blanks
ENV A=${A}-and-more NEXT=${V}
ENV NEXT2=$NEXT V=changed
LABEL version=$VERSION "a b"="c d" multi="x \
y"
# differs: docker,podman,buildah Env: there an ENV of the base hides a later ARG
