import { join } from 'node:path';
import { type CompressionRun, createCompressionRun } from '../content/derivations/compress.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import { connectEngine, type Engine } from '../engine/client.ts';
import { SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type Layout, openLayout } from '../layout/layout.ts';
import {
  createRegistries,
  type Registries,
  type RegistriesOptions,
} from '../registry/registries.ts';
import type { TokenRealmPolicy } from '../registry/token-realm.ts';
import { type Hints, openHints } from '../state/hints.ts';
import { ensureHome } from '../state/home.ts';
import { type ConnectionFlags, connectionsOf } from './connections.ts';
import { type CredentialFlags, commandCredentials } from './credentials.ts';
import type { Output } from './output.ts';
import type { ProgressStyle } from './report/reporter.ts';
import { createReporter } from './report/reporter.ts';

/** Options that every command with a registry takes. */
export interface RegistryFlags extends CredentialFlags, ConnectionFlags {
  readonly tokenRealm?: TokenRealmPolicy;
  /** seconds */
  readonly idleTimeout?: number;
  readonly retries?: number;
  /** blobs on their way to one registry at once */
  readonly jobs?: number;
  readonly progress?: ProgressStyle;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

/** What a command works with. Everything is opened when it is first used, and closed at the end. */
export interface Context {
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly emit: Emit;
  home(): Promise<string>;
  hints(): Promise<Hints>;
  /** the local store */
  store(): Promise<Layout>;
  registries(): Promise<Registries>;
  /** Registries to which `own` says who we are, after `--creds` and before what others use. */
  registriesAs(own: CredentialLookup): Promise<Registries>;
  /** The credentials of such registries. */
  credentialsAs(own: CredentialLookup): Promise<CredentialLookup>;
  /** who we are to registries */
  credentials(): Promise<CredentialLookup>;
  /** the running Docker or Podman */
  engine(): Promise<Engine>;
  /** layers that this command compresses, each once */
  readonly compressions: CompressionRun;
  /** Draws nothing on the terminal, which somebody else has, until what it gives is called. */
  holdTerminal(): () => void;
  /** Closes something when the command ends. */
  onClose(close: () => Promise<void>): void;
}

/**
 * Runs a command with a context, and closes everything whatever comes of it.
 *
 * @param ownHosts the hosts that a bare `--insecure-registry` and credentials without a host mean
 */
export async function withContext(
  output: Output,
  signal: AbortSignal,
  flags: RegistryFlags,
  ownHosts: readonly string[],
  work: (context: Context) => Promise<void>,
): Promise<void> {
  const style = flags.quiet === true ? 'none' : (flags.progress ?? 'auto');
  const reporter = createReporter(style, output);
  const closers: (() => Promise<void>)[] = [];
  const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
    let made: Promise<T> | undefined;
    return () => {
      made ??= make();
      return made;
    };
  };
  const home = once(() => ensureHome());
  const hints = once(async () => {
    const opened = openHints(await home());
    closers.push(async () => opened.close());
    return opened;
  });
  const store = once(async () => {
    const opened = await openLayout(join(await home(), 'store'), { create: true, private: true });
    closers.push(() => opened.close());
    return opened;
  });
  const { emit } = reporter;
  const connections = once(() => connectionsOf(flags, ownHosts, emit));
  const credentialsWith = async (...more: readonly CredentialLookup[]) =>
    commandCredentials(flags, ownHosts, { emit, signal, more }, (await connections()).proxy);
  const credentials = once(() => credentialsWith());
  const open = async (credentials: CredentialLookup): Promise<Registries> => {
    const opened = createRegistries({
      ...registrySettings(flags),
      ...(await connections()),
      credentials,
      hints: await hints(),
      emit,
    });
    closers.push(() => opened.close());
    return opened;
  };
  const registries = once(async () => open(await credentials()));
  const engine = once(async () => {
    const connected = await connectEngine({ signal });
    closers.push(() => connected.close());
    return connected;
  });
  try {
    await work({
      output,
      signal,
      emit,
      compressions: createCompressionRun(),
      home,
      hints,
      store,
      registries,
      credentialsAs: credentialsWith,
      registriesAs: async (own) => open(await credentialsWith(own)),
      credentials,
      engine,
      holdTerminal: () => reporter.hold?.() ?? (() => {}),
      onClose: (close) => closers.push(close),
    });
  } finally {
    reporter.stop();
    for (const close of closers.reverse()) await close();
  }
}

function registrySettings(flags: RegistryFlags): RegistriesOptions {
  if (flags.retries !== undefined && flags.retries < 0) {
    throw new SlipwayError('USAGE', '--retries takes 0 or more');
  }
  return {
    debug: flags.debug === true,
    realmPolicy: flags.tokenRealm ?? 'auto',
    ...(flags.jobs === undefined ? {} : { jobs: flags.jobs }),
    ...(flags.idleTimeout === undefined ? {} : { idleTimeoutMs: flags.idleTimeout * 1000 }),
    ...(flags.retries === undefined
      ? {}
      : { retry: { attempts: flags.retries + 1, firstContactAttempts: flags.retries + 1 } }),
  };
}
