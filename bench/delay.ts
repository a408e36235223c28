import net, { type AddressInfo } from 'node:net';
import { atEnd, type Owner } from '../test/rig/lifetime.ts';

/** Starts a TCP relay that hands everything on `delayMs` later, in both directions. */
export async function startDelay(owner: Owner, upstream: string, delayMs: number): Promise<string> {
  const { hostname, port } = new URL(`http://${upstream}`);
  const sockets = new Set<net.Socket>();
  const later = (from: net.Socket, to: net.Socket): void => {
    from.on('data', (chunk) => setTimeout(() => to.write(chunk), delayMs));
    from.on('end', () => setTimeout(() => to.end(), delayMs));
    from.on('close', () => {
      sockets.delete(from);
      setTimeout(() => to.destroy(), delayMs);
    });
    from.on('error', () => {});
    sockets.add(from);
  };
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = net.connect({ host: hostname, port: Number(port), noDelay: true });
    later(near, far);
    later(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
