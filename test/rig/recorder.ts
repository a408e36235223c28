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

/** Starts a recorder before a plain registry on loopback. */
export async function startRecorder(owner: Owner, upstream: string): Promise<Recorder> {
  const requests: Recorded[] = [];
  const { hostname, port } = new URL(`http://${upstream}`);
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    const recorded: Recorded = { method, path: url, headers, status: 0, bytes: 0 };
    requests.push(recorded);
    // The Host header stays, so that the registry's Locations lead back through here.
    const onward = http.request({ agent, hostname, port, method, path: url, headers }, (answer) => {
      recorded.status = answer.statusCode ?? 0;
      response.writeHead(recorded.status, answer.rawHeaders);
      answer.pipe(response);
    });
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
