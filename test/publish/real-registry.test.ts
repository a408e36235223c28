import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphOf } from '../../src/content/graph.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { publish } from '../../src/publish/publish.ts';
import { createRegistries } from '../../src/registry/registries.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { freshLayout, testRegistry } from '../content/places.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { startRecorder } from '../rig/recorder.ts';
import { at, tagsOf } from './tags-of.ts';

const DENIED = { errors: [{ code: 'DENIED', message: 'not this one' }] };

/** docker-registry behind a proxy that refuses the tag `refused`. */
async function refusing(owner: Owner, canDelete: boolean) {
  const { host } = await startDockerRegistry(owner, { canDelete });
  const recorder = await startRecorder(owner, host, ({ method, path }) =>
    method === 'PUT' && path.endsWith('/manifests/refused')
      ? { status: 403, body: DENIED }
      : undefined,
  );
  const registries = createRegistries({ retry: { baseMs: 1, maxMs: 5 } });
  atEnd(owner, () => registries.close());
  const repository = (path: string) =>
    registries.repository(parseRepository(`${recorder.host}/${path}`));
  return { recorder, repository };
}

test('on docker-registry moved tags go back, and new ones go away where it deletes', {
  skip: missing('docker-registry'),
}, async (t) => {
  const layout = await freshLayout(t);
  const [old, next] = [
    await putImage(layout, { layers: [bytesOf('old', 5_000)] }),
    await putImage(layout, { layers: [bytesOf('next', 5_000)] }),
  ];
  for (const canDelete of [true, false]) {
    const { repository } = await refusing(t, canDelete);
    const push = (root: Descriptor, names: readonly string[], events: SlipwayEvent[] = []) =>
      publish(
        {
          images: [
            {
              graph: graphOf(layout, root, 'app'),
              destinations: [at(repository('app'), ...names)],
            },
          ],
        },
        { emit: (event) => events.push(event) },
      );
    assert.equal((await push(old, ['moved', 'other'])).error, undefined);
    const events: SlipwayEvent[] = [];
    const { error, destinations } = await push(next, ['moved', 'new', 'refused'], events);
    const moved = events.flatMap((event) => (event.type === 'tag' ? [event.reference] : []));
    assert.deepEqual(moved.toSorted(), ['moved', 'new']);
    const tags = await tagsOf(repository('app'));
    const before = { moved: old.digest, other: old.digest };
    assert.deepEqual(tags, canDelete ? before : { ...before, new: next.digest });
    assert.equal(error?.code, canDelete ? 'DENIED' : 'PARTIAL');
    assert.deepEqual(destinations[0]?.tags, canDelete ? [] : ['new']);
    if (!canDelete) assert.match(error?.message ?? '', /could not be put back: .*\/app:new$/);
  }
});

test('docker-registry and ours get an image in one run, each layer sent once to each', {
  skip: missing('docker-registry'),
}, async (t) => {
  const layout = await freshLayout(t);
  const root = await putImage(layout, {
    layers: [bytesOf('large', 12_000_000), bytesOf('small', 9_000)],
  });
  const { recorder, repository } = await refusing(t, true);
  const ours = await testRegistry(t);
  const { error, bytesRead } = await publish({
    images: [
      {
        graph: graphOf(layout, root, 'app'),
        destinations: [at(repository('app'), '1'), at(ours.repository('app'), '1')],
      },
    ],
  });
  assert.equal(error, undefined);
  const sent = recorder.requests
    .filter(({ path }) => path.includes('/blobs/'))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  assert.equal(sent, bytesRead, 'what was read once went once to each');
});

test('a registry that does not look at conditions is named', {
  skip: missing('docker-registry'),
}, async (t) => {
  const layout = await freshLayout(t);
  const root = await putImage(layout, { layers: [bytesOf('a', 500)] });
  const theirs = await refusing(t, true);
  const ours = await testRegistry(t);
  for (const [repository, isNamed] of [
    [theirs.repository('app'), true],
    [ours.repository('app'), false],
  ] as const) {
    const warnings: string[] = [];
    const { error } = await publish(
      {
        images: [{ graph: graphOf(layout, root, 'app'), destinations: [at(repository, '1')] }],
      },
      {
        condition: { kind: 'absent' },
        emit: (event) => {
          if (event.type === 'warning') warnings.push(event.message);
        },
      },
    );
    assert.equal(error, undefined);
    assert.equal(
      warnings.some((text) => /does not check a condition/.test(text)),
      isNamed,
    );
  }
});
