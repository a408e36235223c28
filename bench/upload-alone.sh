#!/bin/sh
# Uploads files to a registry with curl, all at once, and with nothing but the requests that it takes.
#
#     sh bench/upload-alone.sh HOST DIGEST FILE [DIGEST FILE…]
host=$1
shift
while [ $# -gt 0 ]; do
  (
    location=$(curl -sS -X POST -D - -o /dev/null "http://$host/v2/bench/blobs/uploads/" |
      tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    exec curl -sS --fail -o /dev/null -T "$2" -H 'Content-Type: application/octet-stream' \
      -H 'Expect:' "$location&digest=$1"
  ) &
  pids="$pids $!"
  shift 2
done
for pid in $pids; do
  wait "$pid" || exit 1
done
