import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Agent, type Dispatcher, request } from 'undici';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import type { RegistryOptions } from '../../src/server/options.ts';
import { type Registry, startRegistry } from '../../src/server/registry.ts';

/** An answer that was read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly values: (name: string) => readonly string[];
  readonly body: Buffer;
  readonly json: <T>() => T;
  /** the code of the first error */
  readonly code: () => string | undefined;
}

/** The body of an error (distribution-spec, "Error Codes"). */
export interface ErrorBody {
  readonly errors: readonly {
    readonly code: string;
    readonly message: string;
    readonly detail?: { readonly digests?: readonly string[] };
  }[];
}

/** A manifest or index as JSON. */
export interface Document {
  readonly mediaType: string;
  readonly [key: string]: unknown;
}

export interface Ask {
  readonly headers?: Record<string, string>;
  readonly body?: Dispatcher.DispatchOptions['body'];
}

/** A registry for one test, over HTTP. */
export interface Rig {
  readonly registry: Registry;
  ask(method: string, path: string, options?: Ask): Promise<Answer>;
  /** Pushes a blob with one POST and gives its digest. */
  push(repository: string, bytes: Uint8Array): Promise<string>;
  /** Begins an upload and gives its Location. */
  begin(repository: string, query?: string): Promise<string>;
  put(
    repository: string,
    reference: string,
    json: Document,
    headers?: Record<string, string>,
  ): Promise<Answer>;
}

export async function startRig(t: TestContext, options: RegistryOptions = {}): Promise<Rig> {
  const registry = await startRegistry({ graceMs: 100, ...options });
  const agent = new Agent();
  t.after(async () => {
    await agent.destroy();
    await registry.close();
  });
  return rigFor(registry, agent);
}

export function rigFor(registry: Registry, agent: Agent): Rig {
  const ask = async (method: string, path: string, { headers, body }: Ask = {}) => {
    const answer = await request(`${registry.url}${path}`, {
      method: method as Dispatcher.HttpMethod,
      dispatcher: agent,
      headers: headers ?? {},
      body: body ?? null,
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const json = <T>() => JSON.parse(bytes.toString('utf8')) as T;
    const values = (name: string) => [answer.headers[name] ?? []].flat();
    const flat = Object.keys(answer.headers).map((name) => [name, values(name).join(', ')]);
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(flat) as Record<string, string>,
      values,
      body: bytes,
      json,
      code: () => json<ErrorBody>().errors[0]?.code,
    };
  };
  const rig: Rig = {
    registry,
    ask,
    async push(repository, bytes) {
      const digest = sha(bytes);
      const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
      const answer = await ask('POST', path, { body: bytes });
      if (answer.status !== 201) throw new Error(`push: ${answer.status} ${answer.body}`);
      return digest;
    },
    async begin(repository, query = '') {
      const answer = await ask('POST', `/v2/${repository}/blobs/uploads/${query}`);
      if (answer.status !== 202) throw new Error(`begin: ${answer.status} ${answer.body}`);
      return answer.headers.location ?? '';
    },
    put(repository, reference, json, headers = {}) {
      return ask('PUT', `/v2/${repository}/manifests/${reference}`, {
        body: encode(json),
        headers: { 'content-type': json.mediaType, ...headers },
      });
    },
  };
  return rig;
}

export function sha(bytes: Uint8Array | string, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

export function encode(json: object): Buffer {
  return Buffer.from(JSON.stringify(json));
}

export function digestOfJson(json: object, algorithm?: string): string {
  return sha(encode(json), algorithm);
}

/** A descriptor as JSON. */
export function descriptor(bytes: Uint8Array, mediaType: string, algorithm?: string) {
  return { mediaType, digest: sha(bytes, algorithm), size: bytes.byteLength };
}

/** A manifest of a config and a layer that were just pushed. */
export async function pushImage(rig: Rig, repository: string, extra: object = {}) {
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64' }));
  const layer = randomBytes(64);
  await rig.push(repository, config);
  await rig.push(repository, layer);
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: descriptor(config, MEDIA_TYPE.ociConfig),
    layers: [descriptor(layer, MEDIA_TYPE.ociLayerGzip)],
    ...extra,
  };
}

/** An index of manifests. */
export function indexOf(manifests: readonly Document[], extra: object = {}) {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: manifests.map((json) => descriptor(encode(json), json.mediaType)),
    ...extra,
  };
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'slipway-server-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/**
 * Sends bytes as they are and gives what comes back until the server closes, or `waitMs` of
 * silence.
 */
export async function sendRaw(registry: Registry, text: string, waitMs = 300): Promise<string> {
  const { hostname, port } = new URL(registry.url);
  return await new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port) }, () => {
      socket.write(text);
    });
    let received = '';
    const done = () => {
      socket.destroy();
      resolve(received);
    };
    socket.setTimeout(waitMs, done);
    socket.on('data', (data) => {
      received += data.toString('latin1');
    });
    socket.on('end', done).on('error', done);
  });
}
