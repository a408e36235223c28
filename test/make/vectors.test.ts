import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { MAIN } from '../rig/main.ts';
import { missing, run } from '../rig/programs.ts';
import { entriesOf, prepareRegistry, projectFile } from './scene.ts';

const skip = missing('make', 'docker-registry', 'skopeo');
const BASE = ['BUILDDATE=20250619', 'OSVERSION=3.22.0', 'ARCH=x86_64'];

/** What is said, and the tags that a registry has afterwards. */
const PUSHES: readonly (readonly [readonly string[], readonly string[]])[] = [
  [[], ['x86_64', 'x86_64_3.22.0', 'x86_64_3.22.0_20250619']],
  [['ARCH=aarch64'], ['aarch64', 'aarch64_3.22.0', 'aarch64_3.22.0_20250619']],
  [['OSVERSION='], ['x86_64', 'x86_64_20250619']],
  [['SKIP_VERSIONTAG=1'], ['x86_64', 'x86_64_3.22.0_20250619']],
  [['SKIP_BUILDDATETAG=1'], ['x86_64', 'x86_64_3.22.0']],
  [['SKIP_VERSIONTAG=1', 'SKIP_BUILDDATETAG=1'], ['x86_64']],
  [['SKIP_VERSIONTAG=0'], ['x86_64', 'x86_64_3.22.0_20250619']],
  [['SKIP_LATESTTAG=1'], ['x86_64_3.22.0', 'x86_64_3.22.0_20250619']],
  [['SKIP_LATESTTAG=1', 'SKIP_VERSIONTAG=1', 'SKIP_BUILDDATETAG=1'], []],
  [['SKIP_x86_64=1'], []],
];

/** Both ways to say the same; each call has an organisation of its own. */
const WAYS = ['slipway make', 'make'] as const;

async function prepare(t: TestContext, way: (typeof WAYS)[number]) {
  const scene = await prepareRegistry(t);
  const { folder, program, mustMake, must, host, repository } = scene;
  const included = path.join(folder, 'slipway.mk');
  await writeFile(included, await projectFile('slipway.mk'));
  const lines = [`SLIPWAY := ${process.execPath} ${MAIN}`, 'include slipway.mk', ''];
  await writeFile(path.join(folder, 'Makefile'), lines.join('\n'));
  const call = async (words: readonly string[]) => {
    if (way === 'slipway make') {
      await mustMake('-q', ...words);
      return;
    }
    const env = { ...program.env, REGISTRY: host, ORGNAME: 'me' };
    const { code, stderr } = await run('make', words, { cwd: folder, env });
    assert.equal(code, 0, stderr);
  };
  return {
    ...scene,
    call,
    /** Names the local images for another organisation. */
    async lend(organisation: string, architectures: readonly string[]): Promise<void> {
      for (const name of architectures) {
        const other = `${host}/${organisation}/alpine-base:${name}`;
        await must(['tag', `${repository}:${name}`, other]);
      }
    },
    /** The tags, none of a repository that isn't there. */
    async tagsOf(organisation: string): Promise<readonly string[]> {
      const at = `${host}/${organisation}/alpine-base`;
      const answer = await fetch(`http://${host}/v2/${organisation}/alpine-base/tags/list`);
      await answer.body?.cancel();
      return answer.status === 404 ? [] : await scene.tags(at);
    },
  };
}

for (const way of WAYS) {
  test(`${way} push gives a registry the tags that are known of it`, { skip }, async (t) => {
    const { build, lend, call, tagsOf } = await prepare(t, way);
    for (const name of ['x86_64', 'aarch64']) await build(name, 'one');
    for (const [at, [words, expected]] of PUSHES.entries()) {
      const organisation = `of${at}`;
      await lend(organisation, ['x86_64', 'aarch64']);
      await call(['push', ...BASE, ...words, `ORGNAME=${organisation}`]);
      assert.deepEqual(await tagsOf(organisation), expected, words.join(' '));
    }
  });

  test(`${way} annotate gives it the lists`, { skip }, async (t) => {
    const { build, call, raw, digest } = await prepare(t, way);
    const four = ['x86_64', 'aarch64', 'armv7l', 'armhf'];
    for (const name of four) await build(name, 'one');
    await call(['push', ...BASE, 'ARCH=all']);
    const lists = { latest: '', '3.22.0': '_3.22.0', '3.22.0_20250619': '_3.22.0_20250619' };
    await call(['annotate_latest', 'annotate_version', 'annotate_date', ...BASE]);
    for (const [list, more] of Object.entries(lists)) {
      const digests = await Promise.all(four.map((name) => digest(`${name}${more}`)));
      const entries = entriesOf(await raw(list));
      assert.deepEqual(
        entries.map((entry) => entry[1]),
        digests,
      );
    }
    await call(['annotate_latest', ...BASE, 'SKIP_armhf=1', 'SKIP_armv7l=1']);
    const platforms = entriesOf(await raw('latest')).map(([platform]) => platform);
    assert.deepEqual(platforms, ['linux/amd64', 'linux/arm64']);
  });
}
