import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Place } from '../../src/content/transport.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestHex } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { listManifests } from '../../src/upkeep/list-tags.ts';
import { referrersOf } from '../../src/upkeep/referrers.ts';
import { bytesOf, put, putImage, putIndex, putJson } from '../content/images.ts';
import { freshLayout, testRegistry } from '../content/places.ts';
import { connect } from '../registry/clients.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import type { Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';

interface Signed {
  readonly root: Descriptor;
  /** by what they are */
  readonly belonging: Readonly<Record<string, Descriptor>>;
}

async function attach(place: Place, subject: Descriptor | undefined, note: string) {
  const config = await put(place, Buffer.from('{}'), MEDIA_TYPE.ociEmpty);
  const layer = await put(place, Buffer.from(note), 'text/plain');
  const { mediaType = '', digest, size } = subject ?? {};
  return await putJson(
    place,
    {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      artifactType: 'application/vnd.example.note',
      config,
      layers: [layer],
      ...(subject === undefined ? {} : { subject: { mediaType, digest, size } }),
    },
    MEDIA_TYPE.ociManifest,
  );
}

/**
 * An index with an SBOM, whose one image has a signature, which has a signature of its own; and a
 * signature in the way of cosign.
 */
async function publishSigned(place: Place): Promise<Signed> {
  const image = await putImage(place, { layers: [bytesOf('signed', 400)] });
  const root = await putIndex(place, [image]);
  const open = (descriptor: Descriptor) => (offset: number) => place.fetch(descriptor, { offset });
  await place.tag(root, '1', open(root));
  const sbom = await attach(place, root, 'sbom of the index');
  const signature = await attach(place, image, 'signature of the image');
  const countersignature = await attach(place, signature, 'signature of the signature');
  const cosign = await attach(place, undefined, 'signature as a tag');
  await place.tag(cosign, `sha256-${digestHex(root.digest)}.sig`, open(cosign));
  return { root, belonging: { sbom, signature, countersignature, cosign } };
}

const places: readonly [string, (owner: Owner, slipway: Slipway) => Promise<string>][] = [
  ['the embedded registry', (_, slipway) => slipway.serve()],
  ['docker-registry', async (owner) => (await startDockerRegistry(owner)).host],
];

for (const [fromName, startFrom] of places) {
  for (const [toName, startTo] of places) {
    const skip = `${fromName}${toName}`.includes('docker') && missing('docker-registry');
    suite(`from ${fromName} to ${toName}`, { skip }, () => {
      test('everything that belongs to an image comes along, and is found there', async (t) => {
        const slipway = await prepareSlipway(t);
        const from = connect(t, await startFrom(t, slipway)).repository;
        const to = connect(t, await startTo(t, slipway)).repository;
        const { root, belonging } = await publishSigned(from);
        const lines = await slipway.must([
          'copy',
          '--with-referrers',
          '--verify',
          `docker://${from.name}:1`,
          `docker://${to.name}:copied`,
        ]);
        assert.deepEqual(lines, [`${to.name}@${root.digest}`]);
        const found = await referrersOf(to, { source: to, root });
        assert.deepEqual(
          found.map((each) => each.root.digest).toSorted(),
          Object.values(belonging)
            .map(({ digest }) => digest)
            .toSorted(),
        );
        assert.deepEqual(
          found.flatMap(({ names }) => names),
          [`sha256-${digestHex(root.digest)}.sig`],
        );
        const listed = (await listManifests(to)).map(({ descriptor }) => descriptor.digest);
        for (const { digest } of Object.values(belonging)) assert.ok(listed.includes(digest));
      });
    });
  }
}

test('through a layout and back nothing of it is lost', async (t) => {
  const slipway = await prepareSlipway(t);
  const { repository } = await testRegistry(t);
  const from = repository('from');
  const to = repository('to');
  const { root, belonging } = await publishSigned(from);
  const dir = `${slipway.home}-layout`;
  await slipway.must(['copy', '--with-referrers', `docker://${from.name}:1`, `oci:${dir}:1`]);
  await slipway.must(['copy', '--with-referrers', `oci:${dir}:1`, `docker://${to.name}:1`]);
  const found = await referrersOf(to, { source: to, root });
  assert.equal(found.length, Object.keys(belonging).length);
});

test('through the local store and back nothing of it is lost', async (t) => {
  const slipway = await prepareSlipway(t);
  const { repository } = await testRegistry(t);
  const from = repository('from');
  const { root, belonging } = await publishSigned(from);
  const local = `${repository('to').name}:1`;
  await slipway.must(['copy', '--with-referrers', `docker://${from.name}:1`, local]);
  await slipway.must(['push', '--with-referrers', local]);
  const found = await referrersOf(repository('to'), { source: repository('to'), root });
  assert.equal(found.length, Object.keys(belonging).length);
});

test('without the flag nothing comes along', async (t) => {
  const slipway = await prepareSlipway(t);
  const { repository } = await testRegistry(t);
  const { root } = await publishSigned(repository('from'));
  const to = repository('to');
  await slipway.must(['copy', `docker://${repository('from').name}:1`, `docker://${to.name}:1`]);
  assert.deepEqual(await referrersOf(to, { source: to, root }), []);
});

test('what refers to each other in a circle ends', async (t) => {
  const layout = await freshLayout(t);
  const image = await putImage(layout, { layers: [bytesOf('a', 10)] });
  const circular = { ...layout, referrers: async () => [image] };
  const found = await referrersOf(circular, { source: layout, root: image });
  assert.deepEqual(
    found.map((each) => each.root.digest),
    [image.digest],
  );
});

test('subjects stand before what belongs to them', async (t) => {
  const { repository } = await testRegistry(t);
  const place = repository('app');
  const { root, belonging } = await publishSigned(place);
  const order = (await referrersOf(place, { source: place, root })).map((each) => each.root.digest);
  const at = (name: string) => order.indexOf((belonging[name] as Descriptor).digest);
  assert.ok(at('signature') < at('countersignature'));
});
