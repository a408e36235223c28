import type { Command } from 'commander';
import { dockerConfigPath } from '../../credentials/docker-config.ts';
import { eraseLogin } from '../../credentials/kept-logins.ts';
import { isSlipwayError } from '../../errors.ts';
import { DOCKER_HUB } from '../../oci/reference.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { type HelperFlags, helperTimeoutMs } from '../credentials.ts';
import { addHelperFlags } from '../flags.ts';
import { safeLine } from '../output.ts';
import { parseServer } from '../server.ts';

/** `slipway logout [SERVER]` */
export function command(cli: Cli): Command {
  const logout = newCommand('logout', 'forget the login of a registry').argument(
    '[SERVER]',
    'HOST[:PORT]; Docker Hub without it',
  );
  return addHelperFlags(logout, 'forget the login that is kept in FILE')
    .addHelpText(
      'after',
      `
The login is removed under every form of the registry's name, from the docker config file and from
the credential helper that it names.`,
    )
    .action(async (server: string | undefined, flags: HelperFlags) => {
      const host = parseServer(server);
      await run(cli, { quiet: true }, [], async ({ output, emit, signal }) => {
        const name = host === DOCKER_HUB ? 'https://index.docker.io/v1/' : host;
        output.out(`Removing login credentials for ${safeLine(name)}\n`);
        try {
          await eraseLogin(flags.authfile ?? dockerConfigPath(), host, {
            signal,
            timeoutMs: helperTimeoutMs(flags),
            warn: (message) => emit({ type: 'warning', message }),
          });
        } catch (error) {
          if (isSlipwayError(error, 'COMMAND_FAILED')) output.err('could not erase credentials:\n');
          throw error;
        }
      });
    });
}
