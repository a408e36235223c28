# engines: native
FROM base
COPY --exclude=*.js --exclude=**/empty-folder dir /dir
COPY --exclude=a.txt *.txt /texts/
