import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { atEnd, type Owner } from './lifetime.ts';

/** One request as it passed by. */
export interface Recorded {
  readonly method: string;
  /** with its query */
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  /** of the answer; 0 until it came */
  status: number;
  /** of the request's body */
  bytes: number;
}

/** A proxy before a registry that writes down what passes. */
export interface Recorder {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly requests: readonly Recorded[];
  /** Forgets what was written down. */
  clear(): void;
}

/** What the recorder itself answers to a request, in the registry's stead. */
export type Answer = (
  request: Pick<Recorded, 'method' | 'path'>,
) => { readonly status: number; readonly body?: object } | undefined;

/** Starts a recorder before a plain registry on loopback. */
export async function startRecorder(
  owner: Owner,
  upstream: string,
  answer: Answer = () => undefined,
  /** what is told instead of what the registry answered */
  instead: Answer = () => undefined,
): Promise<Recorder> {
  const requests: Recorded[] = [];
  const { hostname, port } = new URL(`http://${upstream}`);
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const recorded: Recorded = { method, path: url, headers, status: 0, bytes: 0 };
    requests.push(recorded);
    const own = answer(recorded);
    if (own !== undefined) {
      recorded.status = own.status;
      request.resume();
      request.on('end', () => {
        response.writeHead(own.status, { 'content-type': 'application/json' });
        response.end(method === 'HEAD' ? undefined : JSON.stringify(own.body ?? {}));
      });
      return;
    }
    // The Host header stays, so that the registry's Locations lead back through here.
    const onward = http.request(
      { agent, hostname, port, method, path: url, headers },
      (onwards) => {
        recorded.status = onwards.statusCode ?? 0;
        const other = instead(recorded);
        if (other !== undefined) {
          onwards.resume();
          onwards.on('end', () => {
            response.writeHead(other.status, { 'content-type': 'application/json' });
            response.end(JSON.stringify(other.body ?? {}));
          });
          return;
        }
        response.writeHead(recorded.status, onwards.rawHeaders);
        onwards.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.on('data', (chunk: Buffer) => {
      recorded.bytes += chunk.byteLength;
    });
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    clear: () => {
      requests.length = 0;
    },
  };
}
