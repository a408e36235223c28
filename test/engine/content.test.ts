import assert from 'node:assert/strict';
import { before, beforeEach, suite, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { collect } from '../../src/bytes/stream.ts';
import { connectEngine } from '../../src/engine/client.ts';
import { type EngineContent, openContent } from '../../src/engine/content.ts';
import { isSlipwayError } from '../../src/errors.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { layerOf } from '../cli/archives.ts';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { bytesOf } from '../content/images.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { type ContentServer, startContentServer, wholeImageOf } from './content-server.ts';

/** Layers that nobody has seen before. */
let made = 0;
const fresh = (count: number, sizeBytes = 300_000) =>
  wholeImageOf(
    Array.from({ length: count }, () => {
      const name = `content-${made++}`;
      return layerOf(name, bytesOf(name, sizeBytes));
    }),
  );

const never = () => new Promise<never>(() => {});

suite('blobs of an engine that keeps images as they came', () => {
  let engine: ContentServer;
  let slipway: CommandLine;
  let registry: string;

  before(async () => {
    engine = await startContentServer(THIS_FILE);
    slipway = await prepareCommandLine(THIS_FILE, { DOCKER_HOST: engine.address });
    registry = await slipway.serve();
  });

  beforeEach(() => {
    engine.images.clear();
    engine.asked.length = 0;
    engine.exports = 0;
    engine.hasContent = true;
    engine.give = (_digest, bytes) => [bytes];
  });

  const push = (name: string, signal?: AbortSignal) =>
    slipway.run(['push', '-q', '--from', 'docker-daemon:app', `${registry}/${name}`], signal);
  const reads = (digests: readonly Digest[]) =>
    engine.asked.filter((line) => digests.some((digest) => line.startsWith(`Read ${digest}`)));

  async function open(owner: Owner): Promise<EngineContent> {
    const connected = await connectEngine({ env: { DOCKER_HOST: engine.address } });
    const content = await openContent(connected, {});
    atEnd(owner, async () => {
      content.close();
      await connected.close();
    });
    return content;
  }

  test('an image is pushed with its digest, each layer read once, and nothing exported', async () => {
    const image = fresh(3);
    engine.images.set('app', image);
    const { code, stdout, stderr } = await push('whole:1');
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim(), `${registry}/whole@${image.id}`);
    assert.deepEqual(
      reads(image.layers).toSorted(),
      image.layers.map((digest) => `Read ${digest} 0`).toSorted(),
    );
    assert.equal(engine.exports, 0);
    await slipway.must(['verify', '--deep', `${registry}/whole:1`]);
  });

  test('what the registry has is not read', async () => {
    const image = fresh(3);
    engine.images.set('app', image);
    assert.equal((await push('there:1')).code, 0);
    const { blobs, layers, diffIds } = fresh(1);
    // The same layers below another config.
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Labels: { a: 'b' } },
        rootfs: { type: 'layers', diff_ids: [...image.diffIds, ...diffIds] },
      }),
    );
    const manifest = JSON.parse(String(image.blobs.get(image.id)));
    const [layer = '' as Digest] = layers;
    const size = blobs.get(layer)?.byteLength;
    manifest.layers.push({ ...manifest.layers[0], digest: layer, size });
    manifest.config = { ...manifest.config, digest: digestOf(config), size: config.byteLength };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const id = digestOf(bytes);
    for (const [digest, blob] of image.blobs) blobs.set(digest, blob);
    blobs.set(digestOf(config), config).set(id, bytes);
    engine.images.set('app', {
      id,
      diffIds: [...image.diffIds, ...diffIds],
      layers: [...image.layers, layer],
      blobs,
    });
    engine.asked.length = 0;
    const { code, stderr } = await push('there:2');
    assert.equal(code, 0, stderr);
    assert.deepEqual(reads([...image.layers, layer]), [`Read ${layer} 0`]);
  });

  test('nothing new needs nothing of what the engine holds', async () => {
    engine.images.set('app', fresh(2));
    assert.equal((await push('same:1')).code, 0);
    engine.asked.length = 0;
    assert.equal((await push('same:1')).code, 0);
    assert.equal((await push('same:2')).code, 0);
    assert.deepEqual([engine.asked, engine.exports], [[], 0]);
  });

  for (const [what, prepare] of Object.entries<() => void>({
    'gives no blobs': () => {
      engine.hasContent = false;
    },
    'knows no such calls': () => {
      engine.give = () => ({ status: 12, message: 'unknown service' });
    },
    'has no right to give blobs': () => {
      engine.give = () => ({ status: 7, message: 'no' });
    },
    'says of each blob that it has it not': () => {
      engine.give = () => ({ status: 5, message: 'not found' });
    },
    'has not all of its blobs': () => {
      const [first] = engine.images.get('app')?.layers ?? [];
      engine.give = (digest, bytes) =>
        digest === first ? { status: 5, message: 'not found' } : [bytes];
    },
    'breaks each connection for blobs': () => {
      engine.give = () => {
        engine.cut();
        return [];
      };
    },
  })) {
    test(`an image of an engine that ${what} is exported`, async () => {
      const image = fresh(2);
      engine.images.set('app', image);
      prepare();
      const name = `exported-${engine.hasContent ? what.length : 0}:1`;
      const { code, stdout, stderr } = await push(name);
      assert.equal(code, 0, stderr);
      assert.ok(stdout.trim().endsWith(`@${image.id}`));
      assert.equal(engine.exports, 1);
      await slipway.must(['verify', '--deep', `${registry}/${name}`]);
    });
  }

  const other = (bytes: Buffer) => {
    const wrong = Buffer.from(bytes);
    wrong[100] = (wrong[100] ?? 0) ^ 1;
    return wrong;
  };
  for (const [lie, give] of Object.entries<(bytes: Buffer) => Iterable<Buffer>>({
    'has other bytes': (bytes) => [other(bytes)],
    'is too short': (bytes) => [bytes.subarray(1)],
    'never ends': function* (bytes) {
      for (;;) yield bytes;
    },
  })) {
    test(`a layer that ${lie} is refused, and no tag is moved`, async () => {
      const image = fresh(2);
      engine.images.set('app', image);
      engine.give = (digest, bytes) => (digest === image.layers[1] ? give(bytes) : [bytes]);
      const { code, stderr } = await push('lie:1');
      assert.equal(code, 17, stderr);
      assert.equal((await slipway.run(['inspect', `${registry}/lie:1`])).code, 12);
    });
  }

  test('a manifest with other bytes than its digest says is not believed', async () => {
    const image = fresh(1);
    engine.images.set('app', image);
    engine.give = (digest, bytes) => [digest === image.id ? other(bytes) : bytes];
    // The export is asked, and says what it is.
    const { code, stdout } = await push('manifest:1');
    assert.equal(code, 0);
    assert.ok(stdout.trim().endsWith(`@${image.id}`));
    assert.equal(engine.exports, 1);
  });

  test('an engine that dies in the middle of a layer ends the push; the next one works', async () => {
    const image = fresh(3, 800_000);
    engine.images.set('app', image);
    engine.give = async function* (digest, bytes) {
      yield bytes.subarray(0, 100_000);
      if (digest === image.layers[1]) {
        engine.cut();
        await never();
      }
      yield bytes.subarray(100_000);
    };
    const { code, stderr } = await push('dead:1');
    assert.equal(code, 16, stderr);
    assert.match(stderr, /the connection to docker at .* broke/);
    assert.equal((await slipway.run(['inspect', `${registry}/dead:1`])).code, 12);
    engine.give = (_digest, bytes) => [bytes];
    assert.equal((await push('dead:1')).code, 0);
  });

  test('an interrupt ends a push whose layer does not come', async () => {
    const image = fresh(2);
    engine.images.set('app', image);
    const stop = new AbortController();
    engine.give = async function* (digest, bytes) {
      if (digest !== image.layers[0]) return yield bytes;
      yield bytes.subarray(0, 1000);
      stop.abort();
      await never();
    };
    assert.equal((await push('stopped:1', stop.signal)).code, 130);
  });

  test('a blob is read from any byte on, also after the connection broke', async (t) => {
    const image = fresh(1);
    engine.images.set('app', image);
    const content = await open(t);
    const [digest = '' as Digest] = image.layers;
    const bytes = image.blobs.get(digest) ?? Buffer.alloc(0);
    const layer = { mediaType: 'x/y', digest, size: bytes.byteLength };
    for (const offset of [0, 1, 70_000, bytes.byteLength - 1, bytes.byteLength]) {
      const read = await collect(content.fetch(layer, { offset }), 1e6, 'a layer');
      assert.ok(read.equals(bytes.subarray(offset)), String(offset));
      engine.cut();
      // It is noticed in its own time.
      for (let tries = 0; tries < 100_000; tries++) {
        if ((await content.sizeOf(digest).catch(() => undefined)) !== undefined) break;
        await setImmediate();
      }
    }
    assert.equal(await content.sizeOf(digestOf('nobody has this')), undefined);
    assert.deepEqual(reads([digest]).at(-1), `Read ${digest} ${bytes.byteLength - 1}`);
  });

  test('whoever gives up waiting for a blob is let go at once', async (t) => {
    const image = fresh(1);
    engine.images.set('app', image);
    const content = await open(t);
    const [digest = '' as Digest] = image.layers;
    const stop = new AbortController();
    engine.give = async function* (_digest, bytes) {
      yield bytes.subarray(0, 1000);
      await never();
    };
    const layer = { mediaType: 'x/y', digest, size: image.blobs.get(digest)?.byteLength ?? 0 };
    const reading = content.fetch(layer, { signal: stop.signal })[Symbol.asyncIterator]();
    assert.equal((await reading.next()).value?.byteLength, 1000);
    const next = reading.next();
    stop.abort(new Error('given up'));
    await assert.rejects(next, /given up/);
  });

  test('what the engine says of a blob that it cannot give is told', async (t) => {
    const image = fresh(1);
    engine.images.set('app', image);
    engine.give = () => ({ status: 13, message: 'bad disk: 100%' });
    const content = await open(t);
    const [digest = '' as Digest] = image.layers;
    await assert.rejects(
      collect(content.fetch({ mediaType: 'x/y', digest, size: 9 }), 1e6, 'a layer'),
      (error) =>
        isSlipwayError(error, 'SERVER_ERROR') &&
        error.message.endsWith(`couldn't give the blob ${digest}: bad disk: 100%`),
    );
  });

  test('layers that nobody reads on keep no other one waiting', async (t) => {
    const image = fresh(1, 4_000_000);
    engine.images.set('app', image);
    const content = await open(t);
    const [digest = '' as Digest] = image.layers;
    const bytes = image.blobs.get(digest) ?? Buffer.alloc(0);
    const layer = { mediaType: 'x/y', digest, size: bytes.byteLength };
    const idle = Array.from({ length: 40 }, () => content.fetch(layer)[Symbol.asyncIterator]());
    await Promise.all(idle.map((each) => each.next()));
    const read = await collect(content.fetch(layer), 1e7, 'a layer');
    assert.ok(read.equals(bytes));
    await Promise.all(idle.map((each) => each.return?.()));
  });
});
