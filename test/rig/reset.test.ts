import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { tempDir } from './lifetime.ts';
import { run } from './programs.ts';

/** A server whose connection ends and is reset at once, and a client that sees it. */
const PROGRAM = `
import net from 'node:net';
import { reset } from ${JSON.stringify(new URL('reset.ts', import.meta.url).href)};
const server = net.createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', () => {
    socket.end();
    reset(socket);
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  const client = net.connect(port, '127.0.0.1', () => client.write('x'));
  client.on('error', () => {});
  client.on('close', () => server.close());
  client.resume();
});
`;

test('a process that reset a connection at its end comes to an end itself', async (t) => {
  const program = path.join(await tempDir(t), 'resets.mjs');
  await writeFile(program, PROGRAM);
  const { code, stderr } = await run(process.execPath, [program], { timeoutMs: 60_000 });
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
});
