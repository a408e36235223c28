import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEngine } from '../../src/build/choose-engine.ts';
import type { BuildEngine, EngineName, Suitability } from '../../src/build/engine.ts';
import { requestFor } from './request.ts';

/** An engine that says this about every build. */
function engine(name: EngineName, says: Suitability): BuildEngine {
  return {
    name,
    probe: async () => says,
    build: () => Promise.reject(new Error('nothing is built here')),
  };
}

const REQUEST = requestFor('FROM scratch\n');
const RUNS = { can: false, reason: 'line 2 runs a command' } as const;
const ABSENT = { can: false, isAbsent: true, reason: 'not installed', hint: 'install it' } as const;

test('auto takes the first that can, and says why not those before it that are here', async () => {
  const engines = [
    engine('native', RUNS),
    engine('buildx', ABSENT),
    engine('docker', { can: true, version: '1.2.3' }),
    engine('buildah', { can: true }),
  ];
  const chosen = await chooseEngine(engines, 'auto', REQUEST);
  assert.equal(chosen.engine.name, 'docker');
  assert.equal(chosen.version, '1.2.3');
  assert.equal(chosen.instead, 'not native: line 2 runs a command');
});

test('the engine that was asked for is the only one that is asked', async () => {
  const engines = [engine('native', { can: true }), engine('buildah', { can: true })];
  assert.equal((await chooseEngine(engines, 'buildah', REQUEST)).engine.name, 'buildah');
  await assert.rejects(chooseEngine([engine('buildx', ABSENT), ...engines], 'buildx', REQUEST), {
    code: 'NO_ENGINE',
    message: "buildx can't do this build: not installed",
    hint: 'install it',
  });
});

test('where none can, every reason is told, and what to install', async () => {
  const engines = [engine('native', RUNS), engine('buildx', ABSENT), engine('podman', ABSENT)];
  await assert.rejects(chooseEngine(engines, 'auto', REQUEST), {
    code: 'NO_ENGINE',
    message:
      'no engine can do this build: not native: line 2 runs a command; not found: buildx, podman',
    hint: /install docker with buildx, podman or buildah/,
  });
});

test('what is wrong with the Dockerfile itself stops the search', async () => {
  const broken: BuildEngine = {
    ...engine('native', RUNS),
    probe: () => Promise.reject(new Error('Dockerfile:2:1')),
  };
  await assert.rejects(
    chooseEngine([broken, engine('buildah', { can: true })], 'auto', REQUEST),
    /Dockerfile:2:1/,
  );
});
