import assert from 'node:assert/strict';
import { access, open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runProgram, tellOutput } from '../../src/build/engines/program.ts';
import { collect } from '../../src/bytes/stream.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import { tempDir } from '../rig/lifetime.ts';

/** A call of the shell that says what it does in its own words. */
function call(script: string, more: { signal?: AbortSignal; env?: Record<string, string> } = {}) {
  const events: SlipwayEvent[] = [];
  const given = {
    engine: 'sh',
    program: 'sh',
    args: ['-c', script],
    emit: (event: SlipwayEvent) => void events.push(event),
    ...more,
  };
  const lines = () => events.flatMap((event) => (event.type === 'build.output' ? event.line : []));
  return { given, lines };
}

const read = (stdout: AsyncIterable<Uint8Array>) => collect(stdout, 1_000_000, 'output');

test('standard output is the result, and each line of standard error an event', async () => {
  const { given, lines } = call("printf result; printf 'one\\ntwo\\r\\n\\nlast' >&2");
  assert.equal((await runProgram(given, read)).toString(), 'result');
  assert.deepEqual(lines(), ['one', 'two', 'last']);
});

test('what a program prints is made harmless, and a line without end is cut', async () => {
  const script = `printf '\\033[31mred\\033[0m \\033]0;title\\007\\n' >&2; head -c 100000 /dev/zero | tr '\\0' x >&2`;
  const { given, lines } = call(script);
  await runProgram(given, read);
  const [first = '', ...rest] = lines();
  assert.match(first, /^red /);
  assert.doesNotMatch(first, /[\u0000-\u001f\u007f]/);
  assert.equal(rest.join('').length, 100_000);
  assert.ok(rest.every((line) => line.length <= 8 * 1024));
});

test('a failure tells status and last words, whatever became of the output', async () => {
  const { given } = call('printf half; echo "ERROR: no rule to make target" >&2; exit 9');
  const failing = runProgram(given, async (stdout) => {
    await read(stdout);
    throw new Error('half an image');
  });
  await assert.rejects(failing, {
    code: 'COMMAND_FAILED',
    message: 'the build failed: sh ended with status 9: ERROR: no rule to make target',
  });
});

test('an engine that dies in the middle is told as that', async () => {
  const { given } = call('printf half; kill -9 $$');
  await assert.rejects(runProgram(given, read), {
    code: 'COMMAND_FAILED',
    message: 'the build failed: sh was killed',
  });
});

test('output that can’t be used ends the program, and is the failure', async () => {
  const { given } = call('while :; do echo more; done');
  const using = runProgram(given, async (stdout) => {
    for await (const _ of stdout) throw new Error('not what was wanted');
  });
  await assert.rejects(using, /not what was wanted/);
});

test('an abort ends the program, which may clean up, and is the reason', async (t) => {
  const folder = await tempDir(t);
  const at = (name: string) => path.join(folder, name);
  const controller = new AbortController();
  const script = `trap 'touch ${at('cleaned')}; exit 1' TERM; touch ${at('started')}; while :; do sleep 0.05; done`;
  const { given } = call(script, { signal: controller.signal });
  const running = runProgram(given, read);
  running.catch(() => {});
  for (let isThere = false; !isThere; await delay(20)) {
    isThere = await access(at('started')).then(
      () => true,
      () => false,
    );
  }
  const reason = new Error('stop');
  controller.abort(reason);
  await assert.rejects(running, reason);
  await access(at('cleaned'));
});

test('a program that isn’t there is no engine', async () => {
  const { given } = call('');
  const program = path.join('/', 'nowhere', 'builder');
  await assert.rejects(runProgram({ ...given, program }, read), { code: 'NO_ENGINE' });
});

test('a program can open its standard input again, as buildah does', async (t) => {
  const file = path.join(await tempDir(t), 'input');
  await writeFile(file, 'text');
  const stdin = await open(file);
  try {
    const { given } = call('cat /dev/stdin; cat /dev/stdin');
    assert.equal((await runProgram({ ...given, stdin }, read)).toString(), 'texttext');
  } finally {
    await stdin.close();
  }
});

test('lines of standard output can be events too', async () => {
  const { given, lines } = call('echo STEP 1; echo STEP 2');
  await runProgram(given, (stdout) => tellOutput(stdout, given));
  assert.deepEqual(lines(), ['STEP 1', 'STEP 2']);
});

test('what a program says and ends is still there when it is read late', async () => {
  const { given } = call('printf short');
  const late = async (stdout: AsyncIterable<Uint8Array>) => {
    // Longer than the program lives.
    for (let turn = 0; turn < 5; turn++) await delay(40);
    return await read(stdout);
  };
  assert.equal((await runProgram(given, late)).toString(), 'short');
  const unread = runProgram(given, async () => {
    await delay(100);
    throw new Error('no space');
  });
  await assert.rejects(unread, /no space/);
});
