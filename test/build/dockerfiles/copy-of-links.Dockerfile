# engines: native buildkit
FROM base
COPY filelink /as-file
COPY dirlink /as-folder
COPY dirlink/sub /sub
