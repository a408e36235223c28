import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { SlipwayEvent } from '../../src/events.ts';
import { createHttp, type Http } from '../../src/http/client.ts';
import { DEFAULT_RETRY_POLICY, openGate, withRetry } from '../../src/http/retry.ts';
import { reset } from '../rig/reset.ts';
import { serveRaw } from './servers.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

/** A client, and a server whose connections answer so many requests and then are cut. */
async function client(
  t: TestContext,
  answers: (nth: number) => number,
  cut: (socket: Socket) => void,
) {
  let connections = 0;
  const host = await serveRaw(t, (socket) => {
    let left = answers(++connections);
    socket.on('data', (bytes) => {
      if (!bytes.toString('latin1').includes(' HTTP/1.1\r\n')) return;
      if (left-- > 0) socket.write(OK);
      else cut(socket);
    });
  });
  const http = createHttp();
  t.after(() => http.close());
  return { http, host, connections: () => connections };
}

function send(http: Http, host: string, events: SlipwayEvent[], body?: Uint8Array) {
  const once = async () => {
    const response = await http.send({
      method: body === undefined ? 'GET' : 'PUT',
      url: new URL(`http://${host}/`),
      ...(body === undefined ? {} : { body: inPieces(body), bodyBytes: body.byteLength }),
    });
    await response.drop();
    // The client takes the connection back a little later.
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    return response.status;
  };
  const policy = { ...DEFAULT_RETRY_POLICY, attempts: 3, baseMs: 1, maxMs: 2 };
  const gate = { ...openGate(host), answered: true };
  return withRetry(once, { gate, policy, emit: (event) => events.push(event) });
}

async function* inPieces(bytes: Uint8Array) {
  yield bytes.subarray(0, 2);
  yield bytes.subarray(2);
}

for (const [how, cut] of [
  ['closed', (socket: Socket) => socket.end()],
  ['reset', reset],
] as const) {
  for (const body of [undefined, Buffer.from('a body')]) {
    const what = body === undefined ? 'request' : 'body';
    test(`a ${what} on a kept connection that was ${how} is repeated at once`, async (t) => {
      const { http, host, connections } = await client(t, () => 1, cut);
      const events: SlipwayEvent[] = [];
      assert.equal(await send(http, host, events, body), 200);
      assert.equal(await send(http, host, events, body), 200);
      assert.deepEqual(events, []);
      assert.equal(connections(), 2);
    });
  }

  test(`a new connection that is ${how} costs a wait, as does the second kept one`, async (t) => {
    const fresh = await client(t, (nth) => (nth === 1 ? 0 : 9), cut);
    const events: SlipwayEvent[] = [];
    assert.equal(await send(fresh.http, fresh.host, events), 200);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['retry'],
    );
    const never = await client(t, (nth) => (nth === 1 ? 1 : 0), cut);
    await send(never.http, never.host, events);
    events.length = 0;
    await assert.rejects(send(never.http, never.host, events), { code: 'NETWORK' });
    assert.equal(events.length, 2);
  });
}
