import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { MAIN } from '../rig/main.ts';
import { run } from '../rig/programs.ts';

/**
 * Has V8 compile much at the moment of the end, while the memory that may be taken without a
 * collection is used up.
 */
const BUSY_END = `
const work = Array.from({ length: 300 }, (_, nth) => new Function('a', 'b', \`
  let last = { x: a, y: [b, \${nth}] };
  const all = [];
  for (let i = 0; i < 60; i++) {
    last = { x: i + b, y: [last.x, i], z: 'k' + (i & 7) };
    all.push(last);
    if (last.y[0] > \${nth * 1000}) last.q\${nth % 50} = 1.5 * i;
  }
  return all;
\`));
process.on('exit', () => {
  const endsAt = performance.now() + 20 + 60 * Math.random();
  for (let round = 0; performance.now() < endsAt; round++) for (const each of work) each(round, 1);
  globalThis.held = Array.from({ length: 300 }, () => new Uint8Array(2 ** 20));
});
`;

test('the command ends, also where V8 compiles while memory is short', async (t) => {
  const folder = await tempDir(t);
  const busyEnd = path.join(folder, 'busy-end.mjs');
  await writeFile(busyEnd, BUSY_END);
  const flags = ['--optimize-for-size', '--always-sparkplug'];
  const args = [...flags, '--import', pathToFileURL(busyEnd).href, MAIN, '--version'];
  const env = { HOME: folder, XDG_CACHE_HOME: folder };
  let left = LONG ? 300 : 24;
  const next = async () => {
    while (left-- > 0) {
      const { code, stderr } = await run(process.execPath, args, { env, timeoutMs: 60_000 });
      // Whoever hangs is killed, and has no code.
      if (code !== 0) left = 0;
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    }
  };
  await Promise.all([next(), next(), next()]);
});
