import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readPassword } from '../../src/cli/password.ts';

const read = (text: string | Buffer, signal = new AbortController().signal) =>
  readPassword(Readable.from([Buffer.from(text)]), signal);

test('one line end is cut off a password, and nothing else', async () => {
  for (const [text, password] of [
    ['secret', 'secret'],
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['secret\r', 'secret'],
    ['secret\n\n', 'secret\n'],
    ['secret\n\r', 'secret\n'],
    [' secret ', ' secret '],
    ['ü ß\n', 'ü ß'],
  ] as const) {
    assert.equal(await read(text), password, JSON.stringify(text));
  }
});

test('nothing but space is no password', async () => {
  for (const text of ['', '\n', '\r\n', ' \t\n\n']) {
    await assert.rejects(read(text), { code: 'USAGE' }, JSON.stringify(text));
  }
});

test('a password has its limit', async () => {
  assert.equal((await read('x'.repeat(64 * 1024))).length, 64 * 1024);
  await assert.rejects(read('x'.repeat(64 * 1024 + 1)), { code: 'LIMIT_EXCEEDED' });
});

test('an interrupt ends the wait for a password', async () => {
  const stopping = new AbortController();
  const never = new Readable({ read() {} });
  const reading = readPassword(never, stopping.signal);
  stopping.abort(new Error('enough'));
  await assert.rejects(reading, /enough/);
});
