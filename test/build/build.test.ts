import assert from 'node:assert/strict';
import { test } from 'node:test';
import { build } from '../../src/build/build.ts';
import type { BuildEngine, EngineName } from '../../src/build/engine.ts';
import { buildImage } from '../../src/build/image.ts';
import { createNativeEngine } from '../../src/build/native/engine.ts';
import { formatReference, parseReference } from '../../src/oci/reference.ts';
import { optionsFor, requestFor } from './request.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64' };
const NATIVE = createNativeEngine({ registries: () => Promise.reject(new Error('no registry')) });

/** An engine that can do everything, and makes an empty image. */
const WILLING: BuildEngine = {
  name: 'buildah',
  probe: async () => ({ can: true }),
  build: (_, { store }) => buildImage(store, { platform: PLATFORM, layers: [], config: {} }),
};

/** Builds on a base image with this trigger, and tells which engines began. */
async function buildOn(
  owner: Parameters<typeof optionsFor>[0],
  trigger: string,
  dockerfile: string,
  wanted: { readonly engine: EngineName | 'auto'; readonly engines: readonly BuildEngine[] },
) {
  const options = await optionsFor(owner);
  const config = { OnBuild: [trigger] };
  const base = await buildImage(options.store, { platform: PLATFORM, layers: [], config });
  const name = formatReference(parseReference('base'));
  await options.store.tag(base, name, (offset) => options.store.fetch(base, { offset }));
  const request = requestFor(dockerfile, { platforms: [PLATFORM] });
  const built = build(request, wanted, options);
  await built.catch(() => {});
  const starts = options.events.flatMap((event) => (event.type === 'build.start' ? [event] : []));
  return { built, starts };
}

for (const [what, trigger, dockerfile, reason] of [
  ['a trigger of the base image', 'RUN make', 'FROM base\n', /RUN needs an engine to run in$/],
  [
    'a variable',
    'LABEL a=b',
    'FROM base\nARG U=http://127.0.0.1/x\nADD $U /\n',
    /^not native: Dockerfile:3:1: ADD from a URL/,
  ],
] as const) {
  test(`auto goes on to the next engine where ${what} turns out to need one`, async (t) => {
    const engines = [NATIVE, WILLING];
    const { built, starts } = await buildOn(t, trigger, dockerfile, { engine: 'auto', engines });
    await built;
    assert.deepEqual(
      starts.map(({ engine }) => engine),
      ['native', 'buildah'],
    );
    assert.match(starts[1]?.instead ?? '', reason);
  });
}

test('where no other engine is there, or one was asked for, the line that needs one is told', async (t) => {
  for (const [engine, engines] of [
    ['auto', [NATIVE]],
    ['native', [NATIVE, WILLING]],
  ] as const) {
    const { built, starts } = await buildOn(t, 'RUN make', 'FROM base\n', { engine, engines });
    await assert.rejects(built, { code: 'NO_ENGINE', message: /RUN needs an engine to run in/ });
    assert.deepEqual(starts.length, 1);
  }
});
