import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type BuildInput, readBuildInput } from '../../src/build/read-input.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { mustRun } from '../rig/programs.ts';

async function read(
  owner: Owner,
  context: string,
  { file, stdin = '' }: { file?: string; stdin?: string | Uint8Array } = {},
): Promise<BuildInput> {
  const input = await readBuildInput({
    context,
    stdin: fromMemory(Buffer.from(stdin)),
    spoolDir: await tempDir(owner),
    ...(file === undefined ? {} : { file }),
  });
  atEnd(owner, () => input.close());
  return input;
}

const text = ({ dockerfile }: BuildInput) => Buffer.from(dockerfile?.bytes ?? '').toString();

/** A tar file with a Dockerfile, and another one in a folder. */
async function contextTar(owner: Owner): Promise<Buffer> {
  const folder = await tempDir(owner);
  await mkdir(path.join(folder, 'sub'));
  await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\n');
  await writeFile(path.join(folder, 'sub/Other'), 'FROM other\n');
  const tar = path.join(await tempDir(owner), 'context.tar');
  await mustRun('tar', ['-C', folder, '-cf', tar, '.']);
  return await readFile(tar);
}

test('standard input is told apart by its bytes: a tar file, compressed or not, or a Dockerfile', async (t) => {
  const tar = await contextTar(t);
  for (const stdin of [tar, gzipSync(tar)]) {
    const input = await read(t, '-', { stdin });
    assert.equal(input.context.kind, 'tar');
    assert.equal(text(input), 'FROM scratch\n');
    assert.equal(input.context.kind === 'tar' && input.context.sizeBytes, tar.byteLength);
  }
  for (const stdin of ['FROM scratch\n', `# ${'x'.repeat(2000)}\nFROM scratch\n`, 'F']) {
    const input = await read(t, '-', { stdin });
    assert.equal(input.context.kind, 'empty');
    assert.equal(text(input), stdin);
  }
});

test('-f names a file inside of a tar file from standard input', async (t) => {
  const stdin = await contextTar(t);
  for (const file of ['sub/Other', './sub/Other', 'sub//Other']) {
    const input = await read(t, '-', { stdin, file });
    assert.equal(text(input), 'FROM other\n');
    assert.equal(input.dockerfileInContext, file);
  }
});

test('what can’t be found in standard input is told', async (t) => {
  const stdin = await contextTar(t);
  for (const [given, code, message] of [
    [{ stdin, file: 'none' }, 'FILE_NOT_FOUND', /holds no file "none"/],
    [{ stdin, file: 'sub' }, 'FILE_NOT_FOUND', /holds no file "sub"/],
    [{ stdin: '' }, 'ARCHIVE_INVALID', /empty/],
    [{ stdin: 'FROM x\n', file: 'x' }, 'USAGE', /standard input is no tar file/],
    [{ file: '-' }, 'USAGE', /either the context or the Dockerfile/],
    [{ stdin: Buffer.alloc(5_000_000, 'x') }, 'LIMIT_EXCEEDED', /standard input/],
    [{ stdin: stdin.subarray(0, 1000) }, 'SIZE_MISMATCH', /./],
  ] as const) {
    await assert.rejects(read(t, '-', given), { code, message });
  }
});

test('the Dockerfile of a folder may come from standard input', async (t) => {
  const folder = await tempDir(t);
  await writeFile(path.join(folder, '.dockerignore'), 'x\n');
  const input = await read(t, folder, { stdin: 'FROM scratch\n', file: '-' });
  assert.deepEqual(input.context, { kind: 'folder', path: folder });
  assert.equal(text(input), 'FROM scratch\n');
  assert.equal(input.dockerfile?.path, undefined);
  assert.equal(String(input.dockerfile?.ignore), 'x\n');
});

test('a Containerfile is found where there is no Dockerfile', async (t) => {
  const folder = await tempDir(t);
  await writeFile(path.join(folder, 'Containerfile'), 'FROM scratch\n');
  assert.equal((await read(t, folder)).dockerfile?.name, 'Containerfile');
  await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\n');
  assert.equal((await read(t, folder)).dockerfile?.name, 'Dockerfile');
});

test('a git URL is handed on as it is', async (t) => {
  const url = 'https://git.example/o/r.git#v1:sub';
  const input = await read(t, url, { file: 'Other' });
  assert.deepEqual(input.context, { kind: 'git', url });
  assert.equal(input.dockerfileInContext, 'Other');
  assert.equal(input.dockerfile, undefined);
});
