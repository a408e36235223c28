# engines: native
FROM base
COPY --chmod=u=rwX,go=rX dir /dir
COPY --chmod=a-x,u+x exec.sh /
