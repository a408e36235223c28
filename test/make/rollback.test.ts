import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { refuse } from '../faults/faults.ts';
import { startFaultProxy } from '../faults/proxy.ts';
import { missing } from '../rig/programs.ts';
import { entriesOf, prepareRegistry } from './scene.ts';

const skip = missing('docker-registry', 'skopeo');
const ARCHITECTURES = ['x86_64', 'aarch64'];
const LISTS = ['annotate_latest', 'annotate_version', 'annotate_date'];

/** A registry with releases of version 1 on some days. */
async function released(t: TestContext, days: readonly string[]) {
  const scene = await prepareRegistry(t);
  const release = async (day: string, version = '1') => {
    for (const name of ARCHITECTURES) await scene.build(name, day);
    const words = [`BUILDDATE=${day}`, `OSVERSION=${version}`, 'ARCH=all'];
    await scene.mustMake('push', ...LISTS, ...words);
  };
  for (const day of days) await release(day);
  const digests = (...tags: readonly string[]) => Promise.all(tags.map((tag) => scene.digest(tag)));
  return { ...scene, release, digests };
}

test('without an architecture every image and the lists go back', { skip }, async (t) => {
  const { mustMake, make, digests, repository } = await released(t, [
    '20250101',
    '20250102',
    '20250103',
  ]);
  const lines = await mustMake('rollback');
  const moved = ['x86_64', 'x86_64_1', 'aarch64', 'aarch64_1', 'latest', '1'];
  const shown = lines.filter((line) => line.includes(' moved from '));
  assert.deepEqual(
    shown.map((line) => line.split(' ')[0]).sort(),
    moved.map((tag) => `${repository}:${tag}`).sort(),
  );
  const of = (day: string) =>
    digests(
      `x86_64_1_${day}`,
      `x86_64_1_${day}`,
      `aarch64_1_${day}`,
      `aarch64_1_${day}`,
      `1_${day}`,
      `1_${day}`,
    );
  assert.deepEqual(await digests(...moved), await of('20250102'));
  await mustMake('rollback');
  assert.deepEqual(await digests(...moved), await of('20250101'), 'and further');
  const { code, stderr } = await make('rollback');
  assert.equal(code, 12);
  assert.match(stderr, /has no earlier date to go back to/);
  await mustMake('rollback', 'BUILDDATE=20250103');
  assert.deepEqual(await digests(...moved), await of('20250103'), 'and forward again');
});

test('with an architecture its entry goes back, the others stay byte for byte', {
  skip,
}, async (t) => {
  const { mustMake, raw, digests, digest, make } = await released(t, ['20250101', '20250102']);
  const before = await raw('latest');
  const others = await digests('aarch64', 'aarch64_1', '1_20250102');
  await mustMake('rollback', 'ARCH=x86_64', 'BUILDDATE=20250101');
  const old = await digest('x86_64_1_20250101');
  assert.deepEqual(await digests('x86_64', 'x86_64_1'), [old, old]);
  const now = [await digest('x86_64_1_20250102'), old] as const;
  assert.ok(before.includes(now[0] ?? '-'));
  for (const list of ['latest', '1']) {
    const after = await raw(list);
    const [[, entry] = ['', ''], other] = entriesOf(after);
    assert.equal(entry, old);
    assert.deepEqual(other, entriesOf(before)[1]);
    assert.deepEqual(JSON.parse(after).manifests[1], JSON.parse(before).manifests[1]);
  }
  assert.deepEqual(await digests('aarch64', 'aarch64_1', '1_20250102'), others);
  const plan = await mustMake('rollback', '--dry-run', 'ARCH=aarch64');
  assert.ok(
    plan.some((line) => / aarch64 +moves from /.test(line)),
    plan.join('\n'),
  );
  assert.deepEqual(await digests('aarch64'), others.slice(0, 1));
  const missingDay = await make('rollback', 'ARCH=x86_64', 'BUILDDATE=20240229');
  assert.equal(missingDay.code, 12);
  assert.match(missingDay.stderr, /no tag of .* has the date 20240229/);
  assert.match(missingDay.stderr, /there are 20250102 \(1\), 20250101 \(1\)/);
  assert.equal(missingDay.stdout, '');
});

test('one day with two versions asks which is meant', { skip }, async (t) => {
  const { mustMake, make, release, digests, digest } = await released(t, ['20250101']);
  await release('20250101', '2');
  const { code, stderr } = await make('rollback', 'BUILDDATE=20250101');
  assert.equal(code, 2);
  assert.match(stderr, /OSVERSION=2, OSVERSION=1/);
  await mustMake('rollback', 'BUILDDATE=20250101', 'OSVERSION=1');
  assert.deepEqual(await digests('x86_64', 'latest'), [
    await digest('x86_64_1_20250101'),
    await digest('1_20250101'),
  ]);
});

test('history shows versions and dates, newest first', { skip }, async (t) => {
  const { mustMake, make, digest } = await released(t, ['20250101', '20250102']);
  const [heading, ...rows] = await mustMake('history');
  assert.match(heading ?? '', /^VERSION +BUILDDATE +ARCH +DIGEST +STATE$/);
  const expected = [];
  for (const day of ['20250102', '20250101']) {
    const state = day === '20250102' ? 'current' : '';
    expected.push(['1', day, 'list', await digest(`1_${day}`), state]);
    for (const name of ARCHITECTURES) {
      expected.push(['1', day, name, await digest(`${name}_1_${day}`), state]);
    }
  }
  assert.deepEqual(
    rows.map((row) => row.split(/ +/)).map((cells) => [...cells, ''].slice(0, 5)),
    expected,
  );
  const json = JSON.parse((await mustMake('history', '--format', 'json', 'ARCH=aarch64')).join(''));
  assert.deepEqual(
    json.releases.map((each: { date: string; isCurrent: boolean }) => [each.date, each.isCurrent]),
    [
      ['20250102', true],
      ['20250101', false],
    ],
  );
  assert.equal((await make('history', 'REPONAME=nothing-here')).code, 12);
});

/** A registry that refuses to move one tag. */
const refusing = (t: TestContext, host: string, tag: string) =>
  startFaultProxy(t, host, [
    {
      method: /^PUT$/,
      path: new RegExp(`/manifests/${tag}$`),
      fault: refuse(403, 'DENIED', 'that tag is not yours'),
    },
  ]);

test('a release that fails in the middle changes no tag', { skip }, async (t) => {
  const { build, make, mustMake, digests, host, tags } = await released(t, ['20250101']);
  const moved = ['x86_64', 'x86_64_1', 'latest', '1'];
  const [before, names] = [await digests(...moved), await tags()];
  await build('x86_64', 'bad');
  const proxy = await refusing(t, host, 'x86_64_1_20250102');
  const words = ['BUILDDATE=20250102', 'OSVERSION=1', 'ARCH=x86_64'];
  const { code, stderr, stdout } = await make(
    `push_registry_${proxy.host}`,
    'annotate_latest',
    ...words,
  );
  assert.equal(code, 11, stderr);
  assert.match(stderr, /that tag is not yours/);
  assert.equal(stdout, '');
  assert.deepEqual(await digests(...moved), before);
  assert.deepEqual(await tags(), names);
  await mustMake('push', ...words);
  assert.notDeepEqual(await digests('x86_64'), before.slice(0, 1), 'it was no wrong image');
});

test('a roll-back that fails in the middle changes no tag', { skip }, async (t) => {
  const { make, digests, host } = await released(t, ['20250101', '20250102']);
  const moved = ['x86_64', 'x86_64_1', 'aarch64', 'aarch64_1', 'latest', '1'];
  const before = await digests(...moved);
  const proxy = await refusing(t, host, 'latest');
  const { code, stderr } = await make('rollback', `REGISTRY=${proxy.host}`);
  assert.equal(code, 11, stderr);
  assert.deepEqual(await digests(...moved), before);
});
