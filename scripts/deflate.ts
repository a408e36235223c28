/**
 * Makes `src/bytes/deflate-module.ts` anew: libdeflate with `slipway.patch`, and `block.c`, as
 * WebAssembly. The result must stay the same bytes, or compressed layers get other digests.
 *
 *     apt-get install clang-19 lld-19 patch
 *     node scripts/deflate.ts
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const HERE = path.join(import.meta.dirname, 'deflate');
const RESULT = path.join(path.dirname(import.meta.dirname), 'src/bytes/deflate-module.ts');

const FLAGS = [
  ...['--target=wasm32', '-O3', '-mbulk-memory', '-msimd128', '-ffreestanding', '-nostdlib'],
  ...['-fvisibility=hidden', '-Wl,--no-entry', '-Wl,--strip-all', '-Wl,-z,stack-size=65536'],
];

const folder = await mkdtemp(path.join(tmpdir(), 'slipway-deflate-'));
try {
  await cp(path.join(HERE, 'libdeflate'), folder, { recursive: true });
  await cp(path.join(HERE, 'block.c'), path.join(folder, 'block.c'));
  const patch = path.join(HERE, 'slipway.patch');
  execFileSync('patch', ['--batch', '-p1', '-i', patch], { cwd: folder, stdio: 'inherit' });
  execFileSync('clang-19', [...FLAGS, '-o', 'block.wasm', 'block.c'], {
    cwd: folder,
    stdio: 'inherit',
  });
  const module = await readFile(path.join(folder, 'block.wasm'));
  const lines = module.toString('base64').match(/.{1,96}/g) ?? [];
  const text = `/**
 * libdeflate 1.23 as WebAssembly: \`node scripts/deflate.ts\` makes this file from the C beside
 * that script. Other bytes here would be other digests of compressed layers.
 */
export const DEFLATE_MODULE = \`
${lines.join('\n')}
\`;
`;
  await writeFile(RESULT, text);
  const digest = createHash('sha256').update(module).digest('hex');
  process.stdout.write(`${module.byteLength} bytes, sha256 ${digest}\n`);
} finally {
  await rm(folder, { recursive: true });
}
