# engines: native buildkit
FROM base
ENV WHO=world
COPY <<EOF /hello.txt
hello $WHO, \$WHO
EOF
COPY <<-"ONE" <<TWO /many/
	not $WHO
	ONE
"two" ${WHO:+yes}
TWO
COPY --chown=1:2 --chmod=750 <<EOF /script.sh
#!/bin/sh
EOF
