import net, { type AddressInfo } from 'node:net';
import { atEnd, type Owner } from '../test/rig/lifetime.ts';
import { type Recorded, startRecorder } from '../test/rig/recorder.ts';

/** What went over the wire to a registry. */
export interface Seen {
  readonly requests: readonly Recorded[];
  /** with headers */
  readonly bytesToRegistry: number;
}

export interface Wire {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** what went by since the beginning, or since it was cleared */
  seen(): Seen;
  clear(): void;
}

/** Stands before a registry and counts requests, and bytes as TCP carries them. */
export async function startWire(owner: Owner, upstream: string): Promise<Wire> {
  const recorder = await startRecorder(owner, upstream);
  const { hostname, port } = new URL(`http://${recorder.host}`);
  const sockets = new Set<net.Socket>();
  let bytesToRegistry = 0;
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = net.connect({ host: hostname, port: Number(port), noDelay: true });
    near.on('data', (chunk) => {
      bytesToRegistry += chunk.byteLength;
    });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => ({ requests: [...recorder.requests], bytesToRegistry }),
    clear() {
      recorder.clear();
      bytesToRegistry = 0;
    },
  };
}
