import { printable } from '../bytes/printable.ts';
import { collect } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { isDigest } from '../oci/digest.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { type Client, type KubeConfig, openKubeConfig } from './kube-config.ts';

/** An image in a registry. */
export interface NamedImage {
  /** `HOST/PATH` */
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** What clusters run, or would start. */
export interface UsedImages {
  has(image: NamedImage): boolean;
}

interface Asking extends Signalled {
  /** how long a page may take, with the program that says who we are; a minute if left out */
  readonly timeoutMs?: number;
}

type Call = { readonly limit: number; readonly _continue?: string };
type List = {
  readonly items: readonly unknown[];
  readonly metadata?: { readonly _continue?: string };
};

const PER_PAGE = 500;
const MAX_PAGES = 10_000;
const MAX_PAGE_BYTES = 256 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
/** fields that name an image, wherever an object has its containers */
const CONTAINERS: ReadonlySet<string> = new Set([
  ...['containers', 'initContainers', 'ephemeralContainers'],
  ...['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'],
]);

/**
 * Asks every context of the Kubernetes configuration which images its pods, replication
 * controllers, deployments, stateful sets, daemon sets, replica sets, jobs and cron jobs name, in
 * all namespaces.
 *
 * @throws SlipwayError `CONFIG_INVALID`, and where any context can't be asked all of it `NETWORK`,
 * `AUTH_REQUIRED`, `DENIED` or `SERVER_ERROR`: whoever removes images must not guess
 */
export async function usedImages(
  options: Asking & { readonly env?: NodeJS.ProcessEnv } = {},
): Promise<UsedImages> {
  const client = await loadClient();
  const names = new Set<string>();
  const digests = new Set<string>();
  for (const config of openKubeConfig(client, options.env ?? process.env)) {
    for await (const name of imagesOf(client, config, options)) {
      const digest = name.slice(name.lastIndexOf('@') + 1);
      if (isDigest(digest)) digests.add(digest);
      const reference = referenceOf(name);
      if (reference !== undefined) names.add(reference);
    }
  }
  return {
    has: ({ repository, tag, digest }) => digests.has(digest) || names.has(`${repository}:${tag}`),
  };
}

/** `HOST/PATH:TAG`; undefined for what no registry has, as ids of engines. */
function referenceOf(name: string): string | undefined {
  try {
    const { digest: _, ...reference } = parseReference(name);
    return formatReference(reference);
  } catch {
    return undefined;
  }
}

async function* imagesOf(
  client: Client,
  config: KubeConfig,
  { signal, timeoutMs = TIMEOUT_MS }: Asking,
): AsyncGenerator<string> {
  const { CoreV1Api, AppsV1Api, BatchV1Api } = client;
  const [core, apps, batch] = [CoreV1Api, AppsV1Api, BatchV1Api].map((api) =>
    config.makeApiClient(api as never),
  ) as [
    InstanceType<typeof CoreV1Api>,
    InstanceType<typeof AppsV1Api>,
    InstanceType<typeof BatchV1Api>,
  ];
  const http = { httpApi: boundedHttp(client, { signal, timeoutMs }) };
  const lists: readonly (readonly [string, (call: Call) => Promise<List>])[] = [
    ['pods', (call) => core.listPodForAllNamespaces(call, http)],
    [
      'replication controllers',
      (call) => core.listReplicationControllerForAllNamespaces(call, http),
    ],
    ['deployments', (call) => apps.listDeploymentForAllNamespaces(call, http)],
    ['stateful sets', (call) => apps.listStatefulSetForAllNamespaces(call, http)],
    ['daemon sets', (call) => apps.listDaemonSetForAllNamespaces(call, http)],
    ['replica sets', (call) => apps.listReplicaSetForAllNamespaces(call, http)],
    ['jobs', (call) => batch.listJobForAllNamespaces(call, http)],
    ['cron jobs', (call) => batch.listCronJobForAllNamespaces(call, http)],
  ];
  for (const [kind, list] of lists) {
    let next: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const call = { limit: PER_PAGE, ...(next ? { _continue: next } : {}) };
      const { items, metadata } = await inTime(list(call), { signal, timeoutMs }).catch((error) => {
        signal?.throwIfAborted();
        throw explained(client, error, kind, config.getCurrentContext());
      });
      for (const item of items) yield* namesIn(item, false);
      next = metadata?._continue;
      if (!next) break;
      if (page === MAX_PAGES - 1) throw endless(kind, config.getCurrentContext());
    }
  }
}

/** All images that an object names, however deep its containers stand in it. */
function* namesIn(value: unknown, isContainer: boolean): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, below] of Object.entries(value)) {
    if (typeof below === 'string') {
      if (isContainer && (key === 'image' || key === 'imageID')) yield below;
    } else if (Array.isArray(below)) {
      for (const item of below) yield* namesIn(item, CONTAINERS.has(key));
    } else yield* namesIn(below, false);
  }
}

/** The client's own way to send, with an end: neither for ever nor as much as somebody likes. */
function boundedHttp(client: Client, limits: Limits) {
  const own = new client.IsomorphicFetchHttpLibrary();
  return client.wrapHttpLibrary({
    async send(request): Promise<InstanceType<Client['ResponseContext']>> {
      request.setSignal(endOf(limits));
      const { httpStatusCode, headers, body } = await own.send(request).toPromise();
      const read = async (): Promise<Buffer> => {
        const stream = body.stream();
        if (stream === null) return Buffer.alloc(0);
        return await collect(stream, MAX_PAGE_BYTES, 'an answer of the cluster');
      };
      return new client.ResponseContext(httpStatusCode, headers, {
        ...{ stream: () => body.stream(), binary: read },
        text: async () => (await read()).toString(),
      });
    },
  });
}

interface Limits extends Signalled {
  readonly timeoutMs: number;
}

function endOf({ signal, timeoutMs }: Limits): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

/** The client itself waits for a program that says who we are as long as that likes. */
async function inTime<T>(work: Promise<T>, limits: Limits): Promise<T> {
  const end = endOf(limits);
  end.throwIfAborted();
  const ended = Promise.withResolvers<never>();
  const onEnd = () => ended.reject(end.reason);
  end.addEventListener('abort', onEnd);
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    end.removeEventListener('abort', onEnd);
  }
}

async function loadClient(): Promise<Client> {
  try {
    return await import('@kubernetes/client-node');
  } catch (error) {
    if (systemCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new SlipwayError(
      'CONFIG_INVALID',
      'to ask clusters which images they use, the package @kubernetes/client-node is needed',
      {
        hint: 'install it beside Slipway: npm install @kubernetes/client-node (with -g if Slipway was installed with -g), or say --without-kube if no cluster uses images of REPO',
      },
    );
  }
}

const HINT = 'nothing was removed; --without-kube asks no cluster, and removes what they use, too';

function explained(client: Client, error: unknown, kind: string, context: string): SlipwayError {
  const where = `context ${printable(context)} of Kubernetes`;
  if (error instanceof client.ApiException) {
    const { code: status } = error;
    const code = status === 401 ? 'AUTH_REQUIRED' : status === 403 ? 'DENIED' : 'SERVER_ERROR';
    const said = status === 403 ? 'lets us not list' : `answered ${status} to the list of`;
    const hint =
      status === 403 ? `${HINT}; list on ${kind} in all namespaces is what is needed` : HINT;
    return new SlipwayError(
      code,
      `${where} ${said} ${kind}${status === 403 ? ' of all namespaces' : ''}`,
      { status, hint },
    );
  }
  const reason = error instanceof Error ? reasonOf(deepest(error)) : String(error);
  return new SlipwayError('NETWORK', `${where} can't be asked for ${kind}: ${printable(reason)}`, {
    hint: HINT,
    cause: error,
  });
}

/** What a parser says shows what was read: a program that says who we are prints a token. */
function reasonOf(error: Error): string {
  return error instanceof SyntaxError ? 'what came is no JSON' : error.message;
}

function endless(kind: string, context: string): SlipwayError {
  return new SlipwayError(
    'LIMIT_EXCEEDED',
    `the list of ${kind} in context ${printable(context)} of Kubernetes has no end`,
    { hint: HINT },
  );
}

/** What lies below "fetch failed". */
function deepest(error: Error): Error {
  return error.cause instanceof Error ? deepest(error.cause) : error;
}
