import { collect } from '../bytes/stream.ts';
import type { Fetcher, Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { Engine } from './client.ts';
import { decodeInfoSize, decodeRead, encodeInfo, encodeRead } from './content-messages.ts';
import { type GrpcConnection, openGrpc } from './grpc.ts';

/** The blobs that an engine keeps as they came. */
export interface EngineContent extends Fetcher {
  /** The size of a blob in bytes; undefined if the engine hasn't got it. */
  sizeOf(digest: Digest, options?: Signalled): Promise<number | undefined>;
  close(): void;
}

const SERVICE = 'containerd.services.content.v1.Content';
const MAX_INFO_BYTES = 1024 * 1024;

/**
 * Opens containerd's store behind a Docker that keeps images in it: the service that BuildKit
 * offers at the engine's API for its build histories reads the same store, each blob by its digest
 * and from any byte on (github.com/moby/buildkit, control.go: `Register`; Docker 26.1 has it).
 *
 * @throws SlipwayError by the engine's answer if it doesn't let us there
 */
export async function openContent(engine: Engine, { signal }: Signalled): Promise<EngineContent> {
  const { name } = engine;
  const connect = async (): Promise<GrpcConnection> => {
    const what = 'open its content store';
    const asked = { method: 'POST', path: '/grpc', what, signal } as const;
    return await openGrpc(engine.upgrade(asked, 'h2c'), name);
  };
  let connection = Promise.resolve(await connect());

  const connected = async (): Promise<GrpcConnection> => {
    const last = connection;
    const found = await last.catch(() => undefined);
    if (found?.isOpen === true) return found;
    // One that broke is made again once, whoever notices first.
    if (connection === last) connection = connect();
    return await connection;
  };

  return {
    async *fetch({ digest, size }, { offset = 0, signal: cut = signal } = {}) {
      if (offset >= size) return;
      const { call } = await connected();
      const what = `give the blob ${digest}`;
      const options = { what, signal: cut };
      try {
        yield* decodeRead(call(`${SERVICE}/Read`, encodeRead(digest, offset), options), name);
      } catch (error) {
        throw error instanceof SlipwayError ? error.with({ digest }) : error;
      }
    },
    async sizeOf(digest, { signal: cut = signal } = {}) {
      const { call } = await connected();
      const what = `look for the blob ${digest}`;
      const options = { what, signal: cut };
      try {
        const answer = call(`${SERVICE}/Info`, encodeInfo(digest), options);
        return decodeInfoSize(await collect(answer, MAX_INFO_BYTES, what), name);
      } catch (error) {
        if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
        throw error;
      }
    },
    close() {
      connection.then((open) => open.close()).catch(() => {});
    },
  };
}
