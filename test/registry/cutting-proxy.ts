import net from 'node:net';
import { serveRaw } from '../http/servers.ts';
import type { Owner } from '../rig/lifetime.ts';
import { reset } from '../rig/reset.ts';

/** A proxy that hands bytes through, and resets connections. */
export interface CuttingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** connections that are still to be cut */
  readonly cuts: number;
}

/** Starts a proxy that cuts `cuts` connections when they have sent more than `afterBytes`. */
export async function startCuttingProxy(
  owner: Owner,
  upstream: string,
  { cuts, afterBytes }: { readonly cuts: number; readonly afterBytes: number },
): Promise<CuttingProxy> {
  const { hostname, port } = new URL(`http://${upstream}`);
  let left = cuts;
  const host = await serveRaw(owner, (socket) => {
    const onward = net.connect(Number(port), hostname);
    let sentBytes = 0;
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('data', (chunk) => {
      sentBytes += chunk.byteLength;
      if (left > 0 && sentBytes > afterBytes) {
        left--;
        reset(socket);
        return;
      }
      onward.write(chunk);
    });
    onward.pipe(socket);
  });
  return {
    host,
    get cuts() {
      return left;
    },
  };
}
