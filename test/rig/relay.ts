import net from 'node:net';
import path from 'node:path';
import { atEnd, type Owner, tempDir } from './lifetime.ts';

/** Stands between a client and a socket, and tells the first lines of requests. */
export async function startRelay(
  owner: Owner,
  upstream: string,
): Promise<{ readonly address: string; readonly asked: readonly string[] }> {
  const socket = path.join(await tempDir(owner), 's');
  const asked: string[] = [];
  const open = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const behind = net.connect(upstream);
    for (const each of [client, behind]) {
      open.add(each);
      each.on('error', () => {}).on('close', () => open.delete(each));
    }
    client.on('data', (chunk) => {
      const lines = chunk.toString('latin1').split('\r\n');
      asked.push(...lines.filter((line) => line.endsWith(' HTTP/1.1')));
    });
    client.pipe(behind).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  atEnd(owner, async () => {
    for (const each of open) each.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { address: `unix://${socket}`, asked };
}
