/**
 * Makes `src/bytes/deflate-module.ts` anew: libdeflate with `slipway.patch`, `fastest.h` and
 * `block.c`, as WebAssembly. The result must stay the same bytes, or compressed layers get other digests.
 *
 *     apt-get install clang-19 lld-19 patch
 *     curl -O http://deb.debian.org/debian/pool/main/libd/libdeflate/libdeflate_1.23.orig.tar.gz
 *     node scripts/deflate.ts libdeflate_1.23.orig.tar.gz
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

const SOURCE_SHA256 = '1ab18349b9fb0ce8a0ca4116bded725be7dcbfa709e19f6f983d99df1fb8b25f';
const MODULE_SHA256 = '9bc36058de26f5676c1bcf2b8d7cfae12101d6c06f8d6e52b79b406b4c24b482';

const [source = ''] = process.argv.slice(2);
assertDigest(await readFile(source), SOURCE_SHA256, source);
const folder = await mkdtemp(path.join(tmpdir(), 'slipway-deflate-'));
try {
  execFileSync('tar', ['-xf', path.resolve(source), '--strip-components=1'], { cwd: folder });
  for (const file of ['block.c', 'fastest.h']) {
    await cp(path.join(HERE, file), path.join(folder, file));
  }
  const patch = path.join(HERE, 'slipway.patch');
  execFileSync('patch', ['--batch', '-p1', '-i', patch], { cwd: folder, stdio: 'inherit' });
  execFileSync('clang-19', [...FLAGS, '-o', 'block.wasm', 'block.c'], {
    cwd: folder,
    stdio: 'inherit',
  });
  const module = await readFile(path.join(folder, 'block.wasm'));
  assertDigest(module, MODULE_SHA256, 'the module that was made');
  const lines = module.toString('base64').match(/.{1,96}/g) ?? [];
  const text = `/**
 * libdeflate 1.23 as WebAssembly: \`node scripts/deflate.ts\` makes this file from its sources
 * and what stands beside that script. Other bytes here would be other digests of compressed layers.
 */
export const DEFLATE_MODULE = \`
${lines.join('\n')}
\`;
`;
  await writeFile(RESULT, text);
} finally {
  await rm(folder, { recursive: true });
}

function assertDigest(bytes: Uint8Array, wanted: string, what: string): void {
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== wanted) throw new Error(`${what} has the digest ${found}, not ${wanted}`);
}
