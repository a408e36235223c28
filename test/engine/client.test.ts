import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { formatEngineAddress, parseEngineAddress } from '../../src/engine/address.ts';
import { connectEngine, type Engine } from '../../src/engine/client.ts';
import { engineAddresses } from '../../src/engine/find.ts';
import { exportImage } from '../../src/engine/source.ts';
import { createEngineTarget } from '../../src/engine/target.ts';
import { type ErrorCode, isSlipwayError } from '../../src/errors.ts';
import { describe } from '../../src/oci/descriptor.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';

const ID = `sha256:${'a'.repeat(64)}`;

/** What an engine says of itself. */
const VERSION = { Version: '1', ApiVersion: '1.41', Os: 'linux', Arch: 'amd64' };

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A server on a socket that speaks as much of the API as a test needs. Gives its `DOCKER_HOST`. */
async function serve(owner: Owner, answer: Answer, version: object = VERSION): Promise<string> {
  const socket = path.join(await tempDir(owner), 's');
  const server = http.createServer((request, response) => {
    if (request.url === '/_ping') response.end('OK');
    else if (request.url === '/version') response.end(JSON.stringify(version));
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  atEnd(owner, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `unix://${socket}`;
}

async function connect(owner: Owner, answer: Answer, version?: object): Promise<Engine> {
  const engine = await connectEngine({ env: { DOCKER_HOST: await serve(owner, answer, version) } });
  atEnd(owner, () => engine.close());
  return engine;
}

function failing(code: ErrorCode, text: RegExp, hint = /./) {
  return (error: unknown) => {
    assert.ok(isSlipwayError(error, code), String(error));
    assert.match(error.message, text);
    assert.match(error.hint ?? '', hint);
    return true;
  };
}

test('addresses are those of docker', () => {
  for (const [text, wanted] of [
    ['unix:///var/run/docker.sock', 'unix:///var/run/docker.sock'],
    ['unix:/run/x', 'unix:///run/x'],
    ['tcp://127.0.0.1', 'tcp://127.0.0.1:2375'],
    ['tcp://[::1]:99', 'tcp://[::1]:99'],
    ['ssh://me@far.example:22/run/docker.sock', 'ssh://me@far.example:22/run/docker.sock'],
    ['ssh://far', 'ssh://far'],
  ] as const) {
    assert.equal(formatEngineAddress(parseEngineAddress(text, { where: 'x' })), wanted);
  }
  assert.equal(
    formatEngineAddress(parseEngineAddress('tcp://far', { where: 'x', tls: {} })),
    'tcp://far:2376',
  );
});

for (const text of [
  'docker.sock',
  'unix://relative',
  'fd://',
  'npipe:////./pipe/docker_engine',
  'tcp://',
  'tcp://user:secret@far',
  'tcp://far/path',
  'ssh://me:secret@far',
  'ssh://-oProxyCommand=x/',
  'ssh://-oProxyCommand@far',
  'ssh://far/a;b',
  'ssh://far/$(b)',
  'ssh://far/a%20b',
  'ssh://far/%zz',
  'ssh://m%65@far',
]) {
  test(`what is no address of an engine is refused, and no secret shown: ${text}`, () => {
    assert.throws(
      () => parseEngineAddress(text, { where: 'DOCKER_HOST' }),
      (error: Error) =>
        failing('CONFIG_INVALID', /^DOCKER_HOST is no/)(error) && !error.message.includes('secret'),
    );
  });
}

test('without a word of the user the usual sockets are tried, also those without root', async (t) => {
  const home = await tempDir(t);
  const env = { HOME: home, DOCKER_CONFIG: home, XDG_RUNTIME_DIR: '/run/user/7' };
  const all = await engineAddresses(env);
  assert.equal(all.said, undefined);
  assert.deepEqual(all.addresses.map(formatEngineAddress), [
    'unix:///var/run/docker.sock',
    'unix:///run/user/7/docker.sock',
    `unix://${home}/.docker/run/docker.sock`,
    `unix://${home}/.docker/desktop/docker.sock`,
    'unix:///run/user/7/podman/podman.sock',
    'unix:///run/podman/podman.sock',
  ]);
  const container = { ...env, CONTAINER_HOST: 'unix:///p' };
  const said = async (more: object, only?: 'docker' | 'podman') =>
    (await engineAddresses({ ...container, ...more }, only)).addresses.map(formatEngineAddress);
  assert.deepEqual(await said({}), ['unix:///p']);
  assert.deepEqual(await said({ DOCKER_HOST: 'unix:///d' }), ['unix:///d']);
  assert.deepEqual(await said({ DOCKER_HOST: 'unix:///d' }, 'podman'), ['unix:///p']);
  assert.deepEqual((await said({}, 'docker')).length, 4);
});

test('no engine: it is said where was looked, and what to do', async (t) => {
  const folder = await tempDir(t);
  await assert.rejects(
    connectEngine({ env: { DOCKER_HOST: `unix://${folder}/none` } }),
    failing('NO_ENGINE', /no engine answers at unix:.*none \(ENOENT\)/, /DOCKER_HOST/),
  );
  await assert.rejects(
    connectEngine({ env: { DOCKER_HOST: 'tcp://127.0.0.1:1' } }),
    failing('NO_ENGINE', /no engine answers at tcp:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/),
  );
});

test('a socket that may not be used is told as that', async (t) => {
  const host = await serve(t, () => {});
  const socket = host.slice('unix://'.length);
  const isRoot = process.geteuid?.() === 0;
  await chmod(socket, 0o000);
  // Root may use any socket: for a moment this process is nobody.
  if (isRoot) process.seteuid?.(65_534);
  try {
    await assert.rejects(
      connectEngine({ env: { DOCKER_HOST: host } }),
      failing('NO_ENGINE', /no permission to use the engine/, /docker group/),
    );
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

test('an engine that is too old, or none at all, is told as that', async (t) => {
  const old = await serve(t, () => {}, { ...VERSION, ApiVersion: '1.24' });
  await assert.rejects(
    connectEngine({ env: { DOCKER_HOST: old } }),
    failing('NO_ENGINE', /is too old: its API is 1\.24/, /17\.06/),
  );
  const other = await serve(t, () => {}, { name: 'something else' });
  await assert.rejects(
    connectEngine({ env: { DOCKER_HOST: other } }),
    failing('NO_ENGINE', /what answers .* is no engine/),
  );
});

test('a newer engine is spoken to in the version that we know', async (t) => {
  const paths: string[] = [];
  const answer: Answer = (request, response) => {
    paths.push(request.url ?? '');
    response.end('[]');
  };
  const engine = await connect(t, answer, { ...VERSION, ApiVersion: '1.99' });
  await engine.json({ method: 'GET', path: '/images/json', what: 'list' });
  assert.deepEqual(paths, ['/v1.48/images/json']);
  assert.ok(engine.speaks('1.44'));
});

test('a redirection is followed nowhere', async (t) => {
  const engine = await connect(t, (_request, response) => {
    response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
  });
  await assert.rejects(
    engine.json({ method: 'GET', path: '/images/json', what: 'list' }),
    failing('SERVER_ERROR', /couldn't list/, /^/),
  );
});

test('an engine that says nothing is given up', async (t) => {
  const socket = path.join(await tempDir(t), 's');
  const server = net.createServer(() => {});
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  await assert.rejects(
    connectEngine({ env: { DOCKER_HOST: `unix://${socket}` }, timeoutMs: 100 }),
    failing('NO_ENGINE', /doesn't answer/),
  );
});

test('one that never finishes the TLS handshake is given up too', async (t) => {
  const server = net.createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  const env = { HOME: await tempDir(t), DOCKER_HOST: `tcp://127.0.0.1:${port}`, DOCKER_TLS: '1' };
  await assert.rejects(
    connectEngine({ env, timeoutMs: 100 }),
    failing('NO_ENGINE', /127\.0\.0\.1:\d+/),
  );
});

test('an engine that dies in the middle of an export is told as that', async (t) => {
  const engine = await connect(t, (request, response) => {
    if (request.url?.endsWith('/json') === true) {
      response.end(JSON.stringify({ Id: ID, RepoTags: ['app:1'] }));
      return;
    }
    response.write(Buffer.alloc(100_000));
    setImmediate(() => response.destroy());
  });
  await assert.rejects(
    exportImage(engine, 'app:1'),
    failing('NETWORK', /the connection to docker at unix:.* broke/, /restarted/),
  );
});

test('an export that ends too early is no image', async (t) => {
  const engine = await connect(t, (request, response) => {
    const isQuestion = request.url?.endsWith('/json') === true;
    response.end(isQuestion ? JSON.stringify({ Id: ID }) : Buffer.from('not a tar file at all'));
  });
  await assert.rejects(
    exportImage(engine, 'app:1'),
    failing('ARCHIVE_INVALID', /what docker at unix:.* exports is no image archive/),
  );
});

const BLOB = Buffer.from('{}');

/** Pushes one blob and ends the load. */
async function load(engine: Engine): Promise<void> {
  const target = await createEngineTarget(engine, { isWhole: true });
  const descriptor = describe(BLOB, MEDIA_TYPE.ociConfig);
  try {
    await target.push(descriptor, async function* () {
      yield BLOB;
    });
    await target.finish();
  } finally {
    await target.abort();
  }
}

test('what an engine says of a load counts, also after a good status', async (t) => {
  const answers: Record<string, string> = {
    fine: '{"stream":"Loaded image: app:1"}\n',
    refused:
      '{"stream":"x"}\n{"errorDetail":{"message":"bad \\u001b[31mlayer"},"error":"bad \\u001b[31mlayer"}\n',
    full: '{"error":"write /x: no space left on device"}',
  };
  let kind = 'fine';
  const engine = await connect(t, (request, response) => {
    request.resume().on('end', () => response.end(answers[kind]));
  });
  await load(engine);
  kind = 'refused';
  await assert.rejects(load(engine), (error: Error) => {
    failing('UNSUPPORTED', /couldn't load an image: bad/, /^/)(error);
    return !error.message.includes('\u001b');
  });
  kind = 'full';
  await assert.rejects(load(engine), failing('NO_SPACE', /no space left/, /docker system df/));
});

test('an engine that dies in the middle of a load is told as that', async (t) => {
  const engine = await connect(t, (request) => {
    request.once('data', () => request.destroy());
  });
  await assert.rejects(load(engine), failing('NETWORK', /the connection to docker .* broke/));
});

test('a docker context has an address and certificates of its own', async (t) => {
  const config = await tempDir(t);
  const env = { DOCKER_CONFIG: config, DOCKER_CONTEXT: '../../x' };
  await mkdir(path.join(config, 'contexts'));
  await assert.rejects(
    connectEngine({ env }),
    failing('CONFIG_INVALID', /the docker context "..\/..\/x" is not there/),
  );
});
