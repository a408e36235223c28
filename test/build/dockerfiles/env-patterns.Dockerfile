# engines: native buildkit
FROM base
ENV F=foo/bar.tar.gz
ENV a=${F#*/} b=${F##*.} c=${F%.*} d=${F%%.*} e=${F/bar/baz} f=${F//a/_}
ENV x=${E-x} y=${A+x}
