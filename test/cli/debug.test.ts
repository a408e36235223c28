import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closedPort } from '../http/servers.ts';
import { MAIN } from '../rig/main.ts';
import { startDaemon } from '../rig/programs.ts';
import { prepare } from './scene.ts';

const SENT = /^debug: \d+ > GET http:\/\/\S+\/v2\/app\/tags\/list\?n=1000 login: none/m;
const ANSWERED =
  /^debug: \d+ < 200 in \d+ ms, GET http:\/\/\S+; .*content-type: application\/json/m;

test('requests are told where --debug, -D or SLIPWAY_DEBUG asks for it, and nowhere else', async (t) => {
  const { run, host, archive, must } = await prepare(t);
  const name = `${host}/app`;
  await must(['push', '--from', `docker-archive:${archive}`, `${name}:1`]);
  for (const args of [
    ['ls', name, '--debug'],
    ['ls', '-D', name],
    ['-D', 'ls', name],
    ['--debug', 'ls', name, '-q'],
    ['ls', name, '--debug', '--progress', 'none'],
  ]) {
    const { code, stdout, stderr } = await run(args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^1\b/m);
    assert.match(stderr, SENT, args.join(' '));
    assert.match(stderr, ANSWERED, args.join(' '));
  }
  const byVariable = await run(['ls', name], undefined, { SLIPWAY_DEBUG: '1' });
  assert.match(byVariable.stderr, SENT);
  for (const env of [{}, { SLIPWAY_DEBUG: '0' }, { SLIPWAY_DEBUG: '' }]) {
    assert.equal((await run(['ls', name], undefined, env)).stderr, '');
  }
});

test('a failure tells with --debug what led to it', async (t) => {
  const { run } = await prepare(t);
  const args = ['ls', `127.0.0.1:${await closedPort()}/app`, '--retries', '0'];
  const { code, stderr } = await run([...args, '-D']);
  assert.equal(code, 16);
  assert.match(stderr, /^debug: because of ECONNREFUSED: connect ECONNREFUSED/m);
  assert.doesNotMatch((await run(args)).stderr, /debug/);
});

test('the demo tells its requests too', async (t) => {
  const { run } = await prepare(t);
  const { code, stderr } = await run(['demo', '-D']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^debug: \d+ > PUT http:\/\/\S+\/v2\/demo\/slipway\/manifests\//m);
});

test('the embedded registry tells what it is asked', async (t) => {
  const { env } = await prepare(t);
  const args = [MAIN, 'registry', 'serve', '--listen', '127.0.0.1:0', '-D'];
  let asked = false;
  // It is ready when it has told of the request that is made as soon as it listens.
  const daemon = await startDaemon(t, process.execPath, args, env, async (log) => {
    const host = /127\.0\.0\.1:[1-9][0-9]*/.exec(log)?.[0];
    if (host !== undefined && !asked) {
      asked = true;
      await (await fetch(`http://${host}/v2/?token=marker-query`)).text();
    }
    return log.includes('debug: ');
  });
  assert.match(daemon.log(), /^debug: 200 in \d+ ms, GET \/v2\//m);
  assert.doesNotMatch(daemon.log(), /marker-query/);
});
