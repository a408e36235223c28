import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startRegistry } from '../../src/server/registry.ts';
import { large, slowly } from '../faults/faults.ts';
import { held, makeImage, type TestImage } from '../faults/image.ts';
import { type Fault, type Passed, type Rule, startFaultProxy } from '../faults/proxy.ts';
import { BODY, COMMIT, MANIFEST, OPEN } from '../faults/row.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { missing } from '../rig/programs.ts';
import { assertPrompt } from '../rig/promptly.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { start, until } from './rig.ts';

const MIB = 1024 * 1024;
const LARGE_BYTES = 40 * MIB;
/** SIGINT has to end the run within this time. */
const ENDS_WITHIN_MS = 2_000;

interface Moment {
  readonly title: string;
  readonly rules: readonly Rule[];
  readonly isNow: (passed: readonly Passed[]) => boolean;
  /** manifests are on their way when the signal comes: no new ones */
  readonly isPutting?: boolean;
}

const has = (passed: readonly Passed[], { method, path }: { method: RegExp; path: RegExp }) =>
  passed.some((one) => method.test(one.method) && path.test(one.path));
const isManifest = ({ method, path }: Passed) =>
  MANIFEST.method.test(method) && MANIFEST.path.test(path);

const MOMENTS: readonly Moment[] = [
  {
    title: 'while a session is being opened',
    rules: [{ ...OPEN, fault: slowly(5_000) }],
    isNow: (passed) => has(passed, OPEN),
  },
  ...(LONG ? [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99] : [1, 50, 95]).map((percent): Moment => {
    const atBytes = Math.round((LARGE_BYTES * percent) / 100);
    // Nobody reads on from there: however late the signal comes, this is where it finds the push.
    const hold: Fault = async ({ forward }) => {
      await forward(atBytes);
      return undefined;
    };
    return {
      title: `at ${percent} % of a layer`,
      rules: [{ ...BODY, fault: large(hold) }],
      isNow: (passed) => passed.some(({ bytes }) => bytes >= atBytes),
    };
  }),
  {
    title: 'while a commit waits for its answer',
    rules: [{ ...COMMIT, fault: slowly(5_000) }],
    isNow: (passed) => has(passed, BODY),
  },
  {
    title: 'while manifests are put',
    rules: [{ ...MANIFEST, fault: slowly(10_000) }],
    isNow: (passed) => passed.some(isManifest),
    isPutting: true,
  },
];

describe('an interrupt', { skip: missing('tar') }, () => {
  let image: TestImage;
  let upstream: string;

  before(async () => {
    image = await makeImage(THIS_FILE, [LARGE_BYTES, MIB]);
    const registry = await startRegistry();
    atEnd(THIS_FILE, () => registry.close());
    upstream = registry.host;
  });

  for (const [at, moment] of MOMENTS.entries()) {
    it(`${moment.title} ends with 130, and no manifest is put after it`, async (t) => {
      const proxy = await startFaultProxy(t, upstream, moment.rules);
      const home = await tempDir(t);
      const repository = `interrupted/${at}`;
      const push = ['push', '--progress', 'plain', '--from', `oci:${image.layout}:1`];
      const refs = ['1', '2', '3'].map((tag) => `${proxy.host}/${repository}:${tag}`);
      const running = start(t, home, [...push, ...refs]);
      await until(() => moment.isNow(proxy.passed), moment.title);
      const at130 = performance.now();
      running.kill('SIGINT');
      const { code, text } = await running.ended;
      const tookMs = performance.now() - at130;
      assert.equal(code, 130, text);
      await assertPrompt(tookMs, ENDS_WITHIN_MS);
      const late = proxy.passed.filter(
        (one) => isManifest(one) && (moment.isPutting !== true || one.atMs > at130 + 5_000),
      );
      assert.deepEqual(late, []);

      const again = await startFaultProxy(t, upstream, []);
      const clean = refs.map((ref) => ref.replace(proxy.host, again.host));
      const second = await start(t, home, [...push, ...clean]).ended;
      assert.equal(second.code, 0, second.text);
      for (const tag of ['1', '2', '3']) {
        assert.equal(await held(upstream, repository, tag), image.root.digest);
      }
    });
  }
});
