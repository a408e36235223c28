# engines: native buildkit docker podman buildah
FROM base
COPY a.txt /new/folder/b.txt
COPY exec.sh /exec
COPY setuid private empty /modes/
# differs: docker,podman,buildah /modes/setuid: they take the bit away when they change the owner
