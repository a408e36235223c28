import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { showUrl } from '../../http/shown.ts';
import type { RegistryEvent } from '../../server/options.ts';
import { startRegistry } from '../../server/registry.ts';
import { type Cli, newCommand } from '../command.ts';
import { positive } from '../flags.ts';
import { safeLine } from '../output.ts';
import { collectCommand } from './registry-gc.ts';

interface ServeFlags {
  readonly listen: { readonly host: string; readonly port: number };
  readonly storage?: string;
  readonly htpasswd?: string;
  readonly readOnly?: boolean;
  readonly sparse: boolean;
  readonly maxSize?: number;
  readonly idleTimeout?: number;
  readonly minRate?: number;
}

/** `slipway registry serve|gc` */
export function command(cli: Cli): Command {
  const registry = newCommand('registry', 'the embedded registry');
  registry.addCommand(serveCommand(cli));
  registry.addCommand(collectCommand(cli));
  return registry;
}

const DEFAULT_LISTEN = '127.0.0.1:5000';

function serveCommand(cli: Cli): Command {
  const { output, signal } = cli;
  return newCommand('serve', 'serve an OCI registry until interrupted')
    .addOption(
      new Option('--listen <HOST:PORT>', 'where to listen; port 0 takes a free one')
        .argParser(parseListen)
        .default(parseListen(DEFAULT_LISTEN), DEFAULT_LISTEN),
    )
    .option(
      '--storage <DIR>',
      'where images are kept: one OCI layout for each repository; a temporary folder without it',
    )
    .option('--htpasswd <FILE>', 'let nobody in but its users (bcrypt, as htpasswd -B writes)')
    .option('--read-only', 'refuse everything that writes')
    .option(
      '--no-sparse',
      'refuse manifests whose blobs or platforms are not there, which are else taken with a warning',
    )
    .option(
      '--max-size <N>',
      'refuse what makes the storage larger than N bytes (k, M, G of 1000)',
      parseSize,
    )
    .option(
      '--idle-timeout <SECONDS>',
      'cut off who is silent for so long in the middle of a request or an answer (default: 120)',
      positive,
    )
    .option(
      '--min-rate <RATE>',
      'cut off who sends fewer bytes a second for longer than that; k and M of 1000, 0 for nobody (default: 500)',
      parseSize,
    )
    .addHelpText(
      'after',
      `
The listening address is the first line on standard output. What is stored for team/app can be
read in place as oci:DIR/team/app:TAG.

Example:
  slipway registry serve --listen 127.0.0.1:5000 --storage ./registry`,
    )
    .action(async (flags: ServeFlags) => {
      const server = await startRegistry({
        listen: flags.listen,
        ...(flags.storage === undefined ? {} : { storage: flags.storage }),
        ...(flags.htpasswd === undefined ? {} : { htpasswd: flags.htpasswd }),
        ...(flags.readOnly === undefined ? {} : { readOnly: flags.readOnly }),
        sparse: flags.sparse,
        ...(flags.maxSize === undefined ? {} : { maxBytes: flags.maxSize }),
        ...(flags.idleTimeout === undefined ? {} : { idleTimeoutMs: flags.idleTimeout * 1000 }),
        ...(flags.minRate === undefined ? {} : { minBytesPerSecond: flags.minRate }),
        log: (event) => {
          const text = describeRegistryEvent(event, cli.isDebug);
          if (text !== undefined) output.err(`${safeLine(text)}\n`);
        },
      });
      output.out(`listening on ${server.url}\n`);
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await server.close();
    });
}

/** Requests are too many to show without being asked; what went wrong is not. */
function describeRegistryEvent(event: RegistryEvent, isDebug: boolean): string | undefined {
  if (event.type === 'warning') return `warning: ${event.message}`;
  if (event.type === 'request') {
    const { method, path, status, durationMs } = event;
    return isDebug
      ? `debug: ${status} in ${Math.round(durationMs)} ms, ${method} ${showUrl(path)}`
      : undefined;
  }
  const why = event.error instanceof Error ? event.error.message : String(event.error);
  return `${event.method} ${event.path} failed: ${why}`;
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new InvalidArgumentError('not HOST:PORT');
  return { host: (match[1] ?? match[2]) || '127.0.0.1', port };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

function parseSize(text: string): number {
  const match = /^([0-9]{1,12})([kMGT]?)$/.exec(text);
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) {
    throw new InvalidArgumentError('not a size such as 500M or 2G');
  }
  return Number(match[1]) * unit;
}
