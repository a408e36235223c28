# engines: native buildkit docker podman buildah
FROM base
USER app
WORKDIR /home/app
USER 5:6
WORKDIR /other/folder
# differs: docker /home: folders of WORKDIR are root's there
# differs: docker /home/app: folders of WORKDIR are root's there
# differs: docker /other: folders of WORKDIR are root's there
# differs: docker /other/folder: folders of WORKDIR are root's there
