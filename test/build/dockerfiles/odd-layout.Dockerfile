# engines: native buildkit docker podman buildah

   # indented comment
from base as Last
    env x=1 \

  # comment in the middle
  y=2
label z=3 \
   w=4
copy    a.txt     /spaced
