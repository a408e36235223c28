import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { copyGraph } from '../../src/content/copy.ts';
import { graphOf } from '../../src/content/graph.ts';
import { readIndex } from '../../src/content/index-entries.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { formatPlatform } from '../../src/oci/platform.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { createRegistries } from '../../src/registry/registries.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { freshLayout } from '../content/places.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { missing } from '../rig/programs.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const ARCHITECTURES = 'amd64 arm64 arm 386 ppc64le s390x riscv64 mips64le loong64 mips64'.split(
  ' ',
);

const ROUNDS = LONG ? 20 : 1;

/** Ten images of ten platforms in one repository, each under a tag of its own. */
async function publishTen(owner: Owner, repository: Repository): Promise<readonly Descriptor[]> {
  const layout = await freshLayout(owner);
  return await Promise.all(
    ARCHITECTURES.map(async (architecture) => {
      const platform = { os: 'linux', architecture };
      const image = await putImage(layout, { layers: [bytesOf(architecture, 500)], platform });
      await copyGraph(graphOf(layout, image, architecture), repository);
      const open = (offset: number) => layout.fetch(image, { offset });
      await repository.tag(image, architecture, open);
      return image;
    }),
  );
}

async function tagsOf(repository: Repository): Promise<readonly string[]> {
  const tags: string[] = [];
  for await (const tag of repository.list()) tags.push(tag);
  return tags;
}

const registries: readonly [
  string,
  (owner: Owner, slipway: Slipway) => Promise<string>,
  boolean,
][] = [
  ['the embedded registry', (_, slipway) => slipway.serve(), true],
  ['docker-registry', async (owner) => (await startDockerRegistry(owner)).host, true],
  [
    'docker-registry without deletes',
    async (owner) => (await startDockerRegistry(owner, { canDelete: false })).host,
    false,
  ],
];

for (const [name, start, canDelete] of registries) {
  const skip = name.startsWith('docker') && missing('docker-registry');
  suite(`ten processes append to one index at once: ${name}`, { skip }, () => {
    let slipway: Slipway;
    let repository: Repository;
    let images: readonly Descriptor[];
    before(async () => {
      slipway = await prepareSlipway(THIS_FILE);
      const client = createRegistries();
      atEnd(THIS_FILE, () => client.close());
      repository = client.repository(
        parseRepository(`${await start(THIS_FILE, slipway)}/team/app`),
      );
      images = await publishTen(THIS_FILE, repository);
    });

    for (let round = 0; round < ROUNDS; round++) {
      test(`all ten entries are there, round ${round}`, async () => {
        const tag = `multi${round}`;
        const results = await Promise.all(
          ARCHITECTURES.map((architecture) =>
            slipway.run([
              'index',
              'append',
              `${repository.name}:${tag}`,
              `docker://${repository.name}:${architecture}`,
            ]),
          ),
        );
        for (const { code, stderr } of results) assert.equal(code, 0, stderr);
        const { entries } = await readIndex(repository, tag);
        const found = entries.map(({ descriptor }) => descriptor.digest);
        assert.deepEqual(found.toSorted(), images.map(({ digest }) => digest).toSorted());
        assert.deepEqual(
          entries
            .map(({ descriptor: { platform } }) => platform && formatPlatform(platform))
            .sort(),
          ARCHITECTURES.map((each) => (each === 'arm' ? 'linux/arm/v7' : `linux/${each}`)).sort(),
        );
        const left = (await tagsOf(repository)).filter((each) => each.includes('slipway'));
        if (canDelete) assert.deepEqual(left, []);
      });
    }
  });
}
