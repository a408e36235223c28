import assert from 'node:assert/strict';
import { test } from 'node:test';
import { safeJson, safeLine } from '../../src/cli/output.ts';
import { bytesOf } from '../content/images.ts';
import { MAIN } from '../rig/main.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { dockerArchive, fileOf, layerOf } from './archives.ts';
import { prepareCommandLine } from './in-process.ts';
import { LAYERS, prepare } from './scene.ts';

/** Control characters, direction overrides, and commands of CI systems where they count. */
const UNSAFE =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|^[^\S\n]*::|##(?:vso|teamcity)?\[|section_(?:start|end):/m;

const HOSTILE =
  '\u001b[2J\u009b31m\u202e\r::set-output name=x::y\n::error::z\n##vso[task.x]##[add-mask]\nsection_start:1:x\rsection_end:1:x';

test('no name, label or history of an image gets control of a terminal or a CI log', async (t) => {
  const { must, run } = await prepareCommandLine(t);
  const config = {
    created: HOSTILE,
    author: HOSTILE,
    architecture: 'amd64',
    config: { Labels: { [HOSTILE]: HOSTILE }, Env: [HOSTILE] },
    history: [{ created: HOSTILE, created_by: HOSTILE, comment: HOSTILE }],
  };
  const archive = dockerArchive({ names: ['evil:1'], layers: [layerOf('a', 'b')], config });
  await must(['load', '-q', '-i', await fileOf(t, 'evil.tar', archive)]);
  for (const args of [
    ['images'],
    ['images', '--format', 'json'],
    ['images', '--format', '{{.CreatedAt}} {{.CreatedSince}} {{json .}}'],
    ['image', 'history', 'evil:1'],
    ['image', 'history', '--no-trunc', '--no-human', 'evil:1'],
    ['image', 'history', '--format', 'json', '--no-human', 'evil:1'],
    ['image', 'inspect', 'evil:1'],
    ['inspect', 'oci:nowhere\u001b[2J'],
    ['load', '-i', '::error::nosuch\u001b[2J'],
    ['push', '--from', 'oci:##vso[task]', 'localhost:1/a'],
    ['\u001b[2J::error::'],
  ]) {
    const { stdout, stderr } = await run(args);
    assert.doesNotMatch(stdout + stderr, UNSAFE, args.join(' '));
  }
  const [inspected] = JSON.parse((await must(['image', 'inspect', 'evil:1'])).join('\n'));
  assert.deepEqual(inspected.Config.Labels, { [HOSTILE]: HOSTILE }, 'programs read the same text');
});

test('JSON for programs is the same value, whatever is escaped', () => {
  for (const value of [
    HOSTILE,
    { [HOSTILE]: [HOSTILE, null, 1.5] },
    '##',
    '#',
    '\u2028 ##x[ ###[',
  ]) {
    for (const indent of [undefined, 2]) {
      const text = safeJson(value, indent);
      assert.deepEqual(JSON.parse(text), value);
      assert.doesNotMatch(text, UNSAFE);
    }
  }
  assert.equal(safeLine('::x'), '· ::x');
});

test('plain progress is one line for what happens, on standard error', async (t) => {
  const { run, host, archive } = await prepare(t);
  const push = ['push', '--from', `docker-archive:${archive}`, `${host}/app:1`];
  const { stdout, stderr } = await run(push);
  assert.match(stdout, /^\S+@sha256:[0-9a-f]{64}\n$/);
  const lines = stderr.trimEnd().split('\n');
  assert.equal(
    lines.filter((line) => /^compressed sha256:\w{12} to sha256:\w{12} \(.*\)$/.test(line)).length,
    2,
  );
  assert.equal(
    lines.filter((line) => line.startsWith(`${host}/app: blob sha256:`) && line.includes(' sent ('))
      .length,
    3,
  );
  assert.match(lines.at(-1) ?? '', /app: 1 is sha256:[0-9a-f]{64}$/);
  assert.equal(lines.length, 6);
});

test('quiet is the result alone', async (t) => {
  const { run, host, archive } = await prepare(t);
  for (const flag of [['-q'], ['--quiet'], ['--progress', 'none']]) {
    const push = ['push', ...flag, '--from', `docker-archive:${archive}`, `${host}/app:1`];
    const { stdout, stderr } = await run(push);
    assert.equal(stderr, '');
    assert.match(stdout, /^\S+@sha256:[0-9a-f]{64}\n$/);
  }
});

test('--progress json is one event a line and nothing else', async (t) => {
  const { run, host } = await prepare(t);
  const name = `${host}/app`;
  const archive = await fileOf(
    t,
    'a.tar',
    dockerArchive({ names: [`${name}:latest`], layers: LAYERS }),
  );
  const types = new Set<string>();
  for (const args of [
    [
      'push',
      '--progress',
      'json',
      '--from',
      `docker-archive:${archive}`,
      '--insecure-registry',
      name,
    ],
    ['load', '--progress', 'json', '-i', archive],
    ['push', '--progress', 'json', name],
    ['pull', '--progress', 'json', name],
  ]) {
    const { code, stderr } = await run(args);
    assert.equal(code, 0, stderr);
    for (const line of stderr.trimEnd().split('\n')) {
      if (line !== '') types.add(JSON.parse(line).type);
    }
  }
  for (const type of [
    'transfer.start',
    'transfer.progress',
    'transfer.done',
    'compress.done',
    'tag',
    'warning',
  ]) {
    assert.ok(types.has(type), type);
  }
});

/** Runs the program on a terminal of its own and gives all that it wrote there. */
async function onTerminal(
  program: { readonly env: Readonly<Record<string, string>> },
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const command = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  return await mustRun('script', ['-qec', `stty cols 100; ${command}`, '/dev/null'], {
    env: { ...program.env, TERM: 'xterm', ...env },
  });
}

/** What is left on a screen: erased and overwritten lines are gone. */
function screen(text: string): readonly string[] {
  const lines: string[] = [''];
  let row = 0;
  for (const [token] of text.matchAll(/\u001b\[(\d*)([A-Z])|\r|\n|[^\u001b\r\n]+/g)) {
    const move = /^\u001b\[(\d*)([A-Z])$/.exec(token);
    if (token === '\n') row++;
    else if (move?.[2] === 'A') row = Math.max(0, row - Number(move[1] || 1));
    else if (move?.[2] === 'J') lines.length = row;
    else if (token !== '\r') lines[row] = (lines[row] ?? '') + token;
  }
  return lines.map((line) => line ?? '');
}

test('on a terminal live lines come, fit its width, and are gone at the end', {
  skip: missing('script', 'stty'),
}, async (t) => {
  const scene = await prepare(t);
  const layers = [layerOf('large', bytesOf('large', 24_000_000))];
  const archive = await fileOf(t, 'large.tar', dockerArchive({ layers }));
  const push = ['push', '--from', `docker-archive:${archive}`, `${scene.host}/app:1`];
  const text = await onTerminal(scene, push);
  assert.match(text, /[█░]{24} .* MiB \/ .* MiB .*\/s/u, 'a live line was drawn');
  assert.match(text, /total .* under way/);
  const live = text.split(/[\r\n]+/).filter((line) => /[█░]/u.test(line));
  for (const line of live) assert.ok(line.replace(/\u001b\[\d*[A-Z]/g, '').length < 100, line);
  const left = screen(text).filter((line) => line !== '');
  assert.equal(left.filter((line) => /[█░]|under way/u.test(line)).length, 0, left.join('\n'));
  assert.match(left.at(-1) ?? '', /@sha256:[0-9a-f]{64}$/);
  assert.match(left[0] ?? '', /^compressed sha256:/);
  assert.equal(left.length, 5);
});

test('CI and dumb terminals get plain lines, and --progress decides before both', {
  skip: missing('script', 'stty'),
}, async (t) => {
  const scene = await prepare(t);
  const push = ['push', '--from', `docker-archive:${scene.archive}`, `${scene.host}/app:1`];
  for (const env of [{ CI: '1' }, { CI: 'true' }, { TERM: 'dumb' }]) {
    assert.doesNotMatch(await onTerminal(scene, push, env), /\u001b/);
  }
  assert.doesNotMatch(await onTerminal(scene, [...push, '--progress', 'plain']), /\u001b/);
});
