/** Starts the shell that an image has: bash, where there is one. */
export const SHELL_ENTRYPOINT = [
  '/bin/sh',
  '-c',
  'if [ -x /bin/bash ]; then exec /bin/bash; fi; exec /bin/sh',
];
