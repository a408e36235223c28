import { access, constants, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { readHtpasswd } from './auth.ts';
import { createHandler } from './handler.ts';
import { acceptedHosts, bracketed, isLoopback } from './hosts.ts';
import { createManifestStore } from './manifest-store.ts';
import type { RegistryOptions } from './options.ts';
import { watchRequests } from './pace.ts';
import { createQuota } from './quota.ts';
import { createRepositories } from './repositories.ts';
import { createRoom } from './room.ts';
import { createSessions } from './sessions.ts';
import { inTurn } from './turns.ts';
import { createUploadFiles } from './upload-files.ts';

/** A registry that is running. */
export interface Registry {
  /** `http://HOST:PORT` */
  readonly url: string;
  /** `HOST:PORT`, as it stands in references */
  readonly host: string;
  /** absolute path of the folder that holds the repositories */
  readonly storage: string;
  /** Stops: takes no more connections, waits a moment for requests, ends what is left. */
  close(): Promise<void>;
}

const DEFAULTS = {
  host: '127.0.0.1',
  maxUploads: 2_048,
  uploadExpiryMs: 3_600_000,
  idleTimeoutMs: 120_000,
  minBytesPerSecond: 500,
  graceMs: 2_000,
} as const;

/** Each takes 32 KiB or more of memory while a body is on its way. */
const MAX_CONNECTIONS = 512;

/**
 * Starts an OCI registry (distribution-spec 1.1). Each repository is an OCI image layout in its
 * own folder: the image `team/app:v1` is `oci:STORAGE/team/app:v1`.
 *
 * @throws SlipwayError `CONFIG_INVALID` for a password file or an address that can't be used,
 * `FILE_NOT_FOUND` for a storage folder that can't
 * @example
 * const registry = await startRegistry();
 * // push to `${registry.host}/team/app:v1`
 * await registry.close();
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const { signal, log = () => {} } = options;
  signal?.throwIfAborted();
  const authenticate =
    options.htpasswd === undefined ? undefined : await readHtpasswd(options.htpasswd);
  const { storage, isTemporary } = await openStorage(options);
  const listenHost = options.listen?.host ?? DEFAULTS.host;
  const readOnly = options.readOnly ?? false;
  const isPrivate = isTemporary || authenticate !== undefined;
  const repositories = createRepositories(storage, { private: isPrivate, readOnly });
  const sessions = createSessions(createUploadFiles(storage), {
    maxSessions: options.maxUploads ?? DEFAULTS.maxUploads,
    expireMs: options.uploadExpiryMs ?? DEFAULTS.uploadExpiryMs,
    fileMode: isPrivate ? 0o600 : 0o644,
    readOnly,
  });
  const pace = {
    idleTimeoutMs: options.idleTimeoutMs ?? DEFAULTS.idleTimeoutMs,
    minBytesPerSecond: options.minBytesPerSecond ?? DEFAULTS.minBytesPerSecond,
  };
  const watch = watchRequests(pace);
  const answer = createHandler({
    context: {
      repositories,
      sessions,
      manifests: createManifestStore(),
      quota: createQuota(storage, options.maxBytes),
      sparse: options.sparse ?? true,
    },
    isAcceptedHost: acceptedHosts(listenHost),
    authenticate,
    readOnly,
    pace,
    room: createRoom(),
    log,
  });
  const handle = inTurn(answer);
  const inHand = new Set<Promise<void>>();
  const server = createHttpServer((request, response, awaitsContinue) => {
    watch.begin(request);
    const handling = handle(request, response, awaitsContinue);
    inHand.add(handling);
    void handling.finally(() => inHand.delete(handling));
  });

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= stop();
    return closing;
  };
  const onAbort = () => void close();
  const stop = async () => {
    signal?.removeEventListener('abort', onAbort);
    await closeServer(server, options.graceMs ?? DEFAULTS.graceMs);
    await Promise.allSettled([...inHand]);
    watch.end();
    await sessions.close();
    await repositories.close();
    if (isTemporary) await rm(storage, { recursive: true, force: true });
  };

  try {
    await listen(server, listenHost, options.listen?.port ?? 0);
  } catch (error) {
    await stop();
    throw error;
  }
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) await close();
  if (!isLoopback(listenHost)) {
    log({
      type: 'warning',
      message: `this registry is reachable from other machines, without encryption${
        authenticate === undefined ? ' and without a login' : ''
      }`,
    });
  }
  const host = `${reachableHost(listenHost)}:${(server.address() as AddressInfo).port}`;
  return { url: `http://${host}`, host, storage, close };
}

type Receive = (
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
) => void;

function createHttpServer(receive: Receive): Server {
  const server = createServer({
    headersTimeout: 20_000,
    // An upload may take hours; while it does, silence and slowness are what is timed.
    requestTimeout: 0,
    keepAliveTimeout: 60_000,
    connectionsCheckingInterval: 5_000,
    maxHeaderSize: 16 * 1024,
    insecureHTTPParser: false,
    noDelay: true,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request, response) => receive(request, response, false));
  server.on('checkContinue', (request, response) => receive(request, response, true));
  return server;
}

async function openStorage({
  storage,
  readOnly = false,
}: RegistryOptions): Promise<{ readonly storage: string; readonly isTemporary: boolean }> {
  if (storage === undefined) {
    const dir = await mkdtemp(join(tmpdir(), 'slipway-registry-'));
    return { storage: dir, isTemporary: true };
  }
  const dir = resolvePath(storage);
  try {
    if (!readOnly) await mkdir(dir, { recursive: true });
    await access(dir, constants.R_OK | constants.X_OK | (readOnly ? 0 : constants.W_OK));
  } catch (cause) {
    if (systemCode(cause) !== 'EEXIST') throw fileError(dir, cause);
  }
  if ((await stat(dir)).isDirectory()) return { storage: dir, isTemporary: false };
  throw new SlipwayError('FILE_NOT_FOUND', `${dir} is a file, and a registry's storage a folder`, {
    path: dir,
  });
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((cause: unknown) => {
    const isTaken = systemCode(cause) === 'EADDRINUSE';
    throw new SlipwayError(
      'CONFIG_INVALID',
      `can't listen on ${bracketed(host)}:${port}: ${isTaken ? 'the port is in use' : (systemCode(cause) ?? 'refused')}`,
      { hint: 'choose another port, or 0 for one that is free', cause },
    );
  });
}

/** Where a client on this machine finds a registry that listens there. */
function reachableHost(listenHost: string): string {
  if (listenHost === '0.0.0.0' || listenHost === '') return '127.0.0.1';
  return listenHost === '::' ? '[::1]' : bracketed(listenHost);
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}
