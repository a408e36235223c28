# escape=`
# engines: native buildkit docker
# podman and buildah take the backtick inside of quotes for an open quote
FROM base
ENV a=1 `
  b=c\d `
  # inside
  e="f`"g"
COPY a.txt `
  /x\y
