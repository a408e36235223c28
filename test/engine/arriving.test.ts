import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, beforeEach, suite, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { fileOf, layerOf } from '../cli/archives.ts';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { bytesOf } from '../content/images.ts';
import { type Recorder, startRecorder } from '../rig/recorder.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { archiveOf, type FakeEngine, type Files, FORMS, imageOf, startEngine } from './exports.ts';

/** Layers that nobody has seen before. */
let made = 0;
const fresh = (count: number, sizeBytes = 300_000) =>
  Array.from({ length: count }, () => {
    const name = `file-${made++}`;
    return layerOf(name, bytesOf(name, sizeBytes));
  });

suite('an export that is taken as it comes', () => {
  let engine: FakeEngine;
  let slipway: CommandLine;
  let registry: Recorder;
  let other: string;

  before(async () => {
    engine = await startEngine(THIS_FILE);
    slipway = await prepareCommandLine(THIS_FILE, { DOCKER_HOST: engine.address });
    registry = await startRecorder(THIS_FILE, await slipway.serve());
    other = await slipway.serve();
  });

  beforeEach(() => {
    engine.exports = 0;
    engine.form = FORMS['Docker to 24'];
    engine.before = async () => {};
    registry.clear();
  });

  /** Pushes and tells the digest, and what was compressed. */
  async function push(...args: readonly string[]) {
    const { code, stdout, stderr } = await slipway.run(['push', '--progress', 'json', ...args]);
    const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const compressed = events
      .filter(({ type, remembered }) => type === 'compress.done' && remembered === false)
      .map(({ digest }) => digest);
    return { code, stderr, compressed, digest: stdout.trim().split('@')[1] };
  }

  for (const [name, form] of Object.entries(FORMS)) {
    test(`of ${name} comes to the same as its file`, async (t) => {
      const [one, two, three] = fresh(3) as [Buffer, Buffer, Buffer];
      const image = imageOf([one, two, three]);
      engine.images.set('app', image);
      engine.form = form;
      const { digest, compressed } = await push('--from', 'docker-daemon:app', `${other}/form:1`);
      assert.deepEqual(compressed.toSorted(), image.diffIds.toSorted());
      assert.equal(engine.exports, form === FORMS['nobody we know'] ? 2 : 1);
      const file = await fileOf(t, 'app.tar', archiveOf(form(image)));
      const again = await push('--from', `docker-archive:${file}`, `${other}/file:1`);
      assert.equal(again.digest, digest);
      await slipway.must(['verify', '--deep', `${other}/form:1`]);
    });
  }

  test('a layer is at the registry before the next one comes', async () => {
    const image = imageOf(fresh(3));
    engine.images.set('app', image);
    engine.form = FORMS.Podman;
    let came = 0;
    engine.before = async (file) => {
      // Each layer but the first waits for the upload of the one before.
      const wanted = file.endsWith('.tar') ? came++ : 0;
      const commits = () =>
        registry.requests.filter(({ method, status }) => method === 'PUT' && status === 201);
      while (commits().length < wanted) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const { code, stderr } = await push('--from', 'docker-daemon:app', `${registry.host}/flow:1`);
    assert.equal(code, 0, stderr);
  });

  test('with nothing new there is no export: other tags and registries, and one request', async () => {
    const image = imageOf(fresh(2));
    engine.images.set('app', image);
    const from = ['--from', 'docker-daemon:app'];
    const { digest } = await push(...from, `${registry.host}/same:1`);
    registry.clear();
    for (const reference of [
      `${registry.host}/same:1`,
      `${registry.host}/same:2`,
      `${other}/same:1`,
    ]) {
      const again = await push(...from, reference);
      assert.deepEqual([again.digest, again.compressed], [digest, []]);
    }
    assert.equal(engine.exports, 1);
    registry.clear();
    await push(...from, `${registry.host}/same:1`);
    assert.deepEqual(
      registry.requests.map(({ method }) => method),
      ['HEAD'],
    );
  });

  test('of an image on a known base only the new layer is compressed', async () => {
    const base = fresh(2);
    const [own] = fresh(1) as [Buffer];
    engine.images.set('base', imageOf(base));
    const image = imageOf([...base, own]);
    engine.images.set('app', image);
    await push('--from', 'docker-daemon:base', `${other}/based:1`);
    const { compressed } = await push('--from', 'docker-daemon:app', `${other}/based:2`);
    assert.deepEqual(compressed, [image.diffIds[2]]);
    assert.equal(engine.exports, 2);
  });

  test('an image with another config alone is exported, and nothing is compressed', async () => {
    const layers = fresh(2);
    engine.images.set('app', imageOf(layers));
    await push('--from', 'docker-daemon:app', `${other}/label:1`);
    engine.images.set('app', imageOf(layers, { a: 'b' }));
    const { code, compressed, stderr } = await push(
      '--from',
      'docker-daemon:app',
      `${other}/label:2`,
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(compressed, []);
    await slipway.must(['verify', '--deep', `${other}/label:2`]);
  });

  test('what was pruned from the store is exported and compressed again', async () => {
    engine.images.set('app', imageOf(fresh(2)));
    const { digest } = await push('--from', 'docker-daemon:app', `${other}/pruned:1`);
    await slipway.must(['image', 'prune', '--force']);
    const again = await push('--from', 'docker-daemon:app', `${registry.host}/pruned:1`);
    assert.equal(again.code, 0, again.stderr);
    assert.equal(again.digest, digest);
    await slipway.must(['verify', '--deep', `${registry.host}/pruned:1`]);
  });

  test('a layer that stands twice in an image comes once', async () => {
    const [one, two] = fresh(2) as [Buffer, Buffer];
    engine.images.set('app', imageOf([one, two, one]));
    engine.form = (image) => {
      // Docker writes the second one as a link; its own bytes are those of the first.
      const files = FORMS.Podman(image);
      return files.filter(([name], at) => files.findIndex(([same]) => same === name) === at);
    };
    const { code, compressed, stderr } = await push(
      '--from',
      'docker-daemon:app',
      `${other}/twice:1`,
    );
    assert.equal(code, 0, stderr);
    assert.equal(compressed.length, 2);
    await slipway.must(['verify', '--deep', `${other}/twice:1`]);
  });

  test('both variants, conditions, no compression and stored copies work too', async () => {
    for (const flags of [
      ['--compression', 'gzip,zstd'],
      ['--if-absent'],
      ['--compression', 'none'],
      ['--types', 'docker'],
    ]) {
      engine.images.set('app', imageOf(fresh(3)));
      const tag = flags.join('').replaceAll(/[^a-z]/g, '');
      const { code, stderr } = await push(
        ...flags,
        '--from',
        'docker-daemon:app',
        `${other}/flags:${tag}`,
      );
      assert.equal(code, 0, stderr);
      await slipway.must(['verify', '--deep', `${other}/flags:${tag}`]);
    }
    const image = imageOf(fresh(2));
    engine.images.set('app', image);
    await slipway.must(['tag', 'docker-daemon:app', 'stored:1']).catch(() => {});
    await slipway.must(['copy', '-q', 'docker-daemon:app', 'stored:1']);
    await slipway.must(['push', '-q', '--from', 'stored:1', `${other}/stored:1`]);
  });

  test('one image to two registries at once is exported and compressed once', async () => {
    const image = imageOf(fresh(6));
    engine.images.set('app', image);
    const { code, compressed, stderr } = await push(
      '--jobs',
      '1',
      '--from',
      'docker-daemon:app',
      `${other}/both:1`,
      `${registry.host}/both:1`,
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual([compressed.length, engine.exports], [6, 1]);
  });

  test('a layer with other bytes than its diffID says is refused, and no tag is moved', async () => {
    const image = imageOf(fresh(2));
    const wrong = Buffer.from(image.layers[0] as Buffer);
    wrong[700] = (wrong[700] ?? 0) ^ 1;
    engine.images.set('app', { ...image, layers: [wrong, image.layers[1] as Buffer] });
    engine.form = FORMS.Podman;
    const { code, stderr } = await push('--from', 'docker-daemon:app', `${other}/wrong:1`);
    assert.equal(code, 17, stderr);
    assert.equal((await slipway.run(['inspect', `${other}/wrong:1`])).code, 12);
  });

  for (const [lie, change] of Object.entries<(files: Files) => Files>({
    'has no layer that its image has': (files) => files.filter((_, at) => at !== 1),
    'has no config': (files) => files.filter(([name]) => !/^[0-9a-f]{64}\.json$/.test(name)),
    'has another config': (files) =>
      files.map(([name, bytes]) =>
        /^[0-9a-f]{64}\.json$/.test(name) ? [name, imageOf(fresh(3)).config] : [name, bytes],
      ),
    'calls layers by names of others': (files) => {
      const [one, two, ...rest] = files as [Files[number], Files[number], ...Files];
      return [[two[0], one[1]], [one[0], two[1]], ...rest];
    },
  })) {
    test(`an export that ${lie} ends the push, and no tag is moved`, async () => {
      engine.images.set('app', imageOf(fresh(3)));
      engine.form = (image) => change(FORMS.Podman(image));
      const to = `${other}/lie:1`;
      const { code, stderr } = await push('--from', 'docker-daemon:app', to);
      assert.ok(![0, 1, 130].includes(code), `${code}: ${stderr}`);
      assert.equal((await slipway.run(['inspect', to])).code, 12);
    });
  }

  test('an export in another order than the image comes to the same', async () => {
    const image = imageOf(fresh(3));
    engine.images.set('app', image);
    engine.form = (each) => FORMS.Podman(each).toReversed();
    const { digest } = await push('--from', 'docker-daemon:app', `${other}/order:1`);
    const file = await fileOf(THIS_FILE, 'app.tar', archiveOf(FORMS.Podman(image)));
    assert.equal(
      (await push('--from', `docker-archive:${file}`, `${other}/order:2`)).digest,
      digest,
    );
  });

  test('an engine that dies in the middle of an export ends the push', async () => {
    engine.images.set('app', imageOf(fresh(4, 800_000)));
    let files = 0;
    engine.before = async () => {
      if (files++ > 6) throw new Error('the engine died');
    };
    const { code, stderr } = await push('--from', 'docker-daemon:app', `${other}/dead:1`);
    assert.equal(code, 16, stderr);
    engine.before = async () => {};
    assert.equal((await push('--from', 'docker-daemon:app', `${other}/dead:1`)).code, 0);
  });

  test('a store that takes nothing more ends the push, and waits for no layer', async () => {
    engine.images.set('app', imageOf(fresh(3)));
    const drafts = path.join(slipway.home, 'store/.slipway/ingest');
    let files = 0;
    engine.before = async () => {
      if (files++ > 0) return;
      await rename(drafts, `${drafts}.away`);
      await writeFile(drafts, '');
    };
    const { code, stderr } = await push('--from', 'docker-daemon:app', `${other}/full:1`);
    await rm(drafts);
    await rename(`${drafts}.away`, drafts);
    assert.notEqual(code, 0, stderr);
    engine.before = async () => {};
    assert.equal((await push('--from', 'docker-daemon:app', `${other}/full:1`)).code, 0);
  });

  test('an interrupt in the middle of an export ends the push at once', async () => {
    engine.images.set('app', imageOf(fresh(3)));
    const stop = new AbortController();
    let files = 0;
    engine.before = async () => {
      if (files++ === 4) stop.abort();
      if (files > 4) await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
    };
    const args = ['push', '-q', '--from', 'docker-daemon:app', `${other}/stopped:1`];
    assert.equal((await slipway.run(args, stop.signal)).code, 130);
  });

  test('layers are what they were', async () => {
    const [layer] = fresh(1) as [Buffer];
    engine.images.set('app', imageOf([layer]));
    await push('--from', 'docker-daemon:app', `${other}/bytes:1`);
    const manifest = (await (await fetch(`http://${other}/v2/bytes/manifests/1`)).json()) as {
      layers: { digest: string }[];
    };
    const blob = await fetch(`http://${other}/v2/bytes/blobs/${manifest.layers[0]?.digest}`);
    assert.ok(gunzipSync(Buffer.from(await blob.arrayBuffer())).equals(layer));
  });
});
