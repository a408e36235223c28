import assert from 'node:assert/strict';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';
import { gzipSync } from 'node:zlib';
import { dockerSave, layer } from '../archive/images.ts';
import { RAW_END, rawFile, rawHeader, rawPax } from '../bytes/tar-fixture.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { startFakeRegistry } from '../registry/fake-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { ownerWithEnd } from '../rig/owner.ts';
import {
  CHAINS,
  type Entries,
  HARD_LINKS,
  LARGE,
  LINKS,
  NAMES,
  NUMBERS,
  READINGS,
  ROOTS,
} from './hostile-archives.ts';
import { row } from './rows.ts';

const { owner, end } = ownerWithEnd();
after(end);
const slipway = await prepareCommandLine(owner);
const registry = await startFakeRegistry(owner);
const outside = await tempDir(owner);
const made = path.join(outside, 'made.tar');
const IMAGE = dockerSave([layer('a')], ['app:1']);

const filesOutside = async () => (await readdir(outside, { recursive: true })).sort();

/** Reads an archive by every way in; each must refuse it, and leave nothing anywhere. */
async function assertRefused(bytes: Uint8Array, what: string, says = /(?:)/): Promise<void> {
  await writeFile(made, bytes);
  const before = await filesOutside();
  for (const args of [
    ['push', '--from', `docker-archive:${made}`, `${registry.host}/team/app:1`],
    ['copy', `oci-archive:${made}`, `docker://${registry.host}/team/app:1`],
    ['load', '-i', made],
  ]) {
    const { code, stdout, stderr } = await slipway.run(args);
    assert.ok([2, 17].includes(code), `${what}: ${args[0]} ended with ${code}: ${stderr}`);
    assert.match(stderr, /^slipway: /, what);
    if (args[0] !== 'copy') assert.match(stderr, says, what);
    assert.equal(stdout, '', what);
  }
  assert.equal(registry.manifests.size, 0, what);
  assert.deepEqual(await slipway.must(['images', '-q']), [''], what);
  assert.deepEqual(await filesOutside(), before, what);
}

/** Each of them alone, and behind an image that is whole. */
async function assertAllRefused(cases: Readonly<Record<string, Entries>>): Promise<void> {
  for (const [what, entries] of Object.entries(cases)) {
    await assertRefused(Buffer.concat([...entries, RAW_END]), what);
    await assertRefused(Buffer.concat([...IMAGE, ...entries, RAW_END]), `${what}, behind an image`);
  }
}

row(
  'Archives',
  'CVE-2021-32804, CVE-2021-37701, CVE-2021-37712, CVE-2021-37713, CVE-2026-31802, CVE-2018-20835, CVE-2014-9356, CVE-2024-0406, CVE-2025-3445, CVE-2024-10389, CVE-2018-1103',
  'no name in an archive leads out of it',
  () => assertAllRefused(NAMES),
);

row(
  'Archives',
  'CVE-2014-6407, CVE-2015-3629, CVE-2015-3631, CVE-2021-32803, CVE-2024-12905, CVE-2025-48387, CVE-2025-59343, CVE-2021-32760, CVE-2021-41089',
  'nothing is written, read or changed through a link of an archive',
  () => assertAllRefused(LINKS),
);

row(
  'Archives',
  'GHSA-m37j-52j7-pjw7, CVE-2026-17106, GHSA-hfg8-hc9c-6c3h',
  'links that lead out together are found',
  () => assertAllRefused(CHAINS),
);

row(
  'Archives',
  'CVE-2018-20834, CVE-2026-23745, CVE-2026-24842, CVE-2026-26960, CVE-2026-23950, GHSA-qffp-2rhf-9h96',
  'a hard link names a file of its archive, or the archive is refused',
  () => assertAllRefused(HARD_LINKS),
);

row(
  'Archives',
  'CVE-2026-50163',
  'a hard link never names a file of the folder in which we run',
  async () => {
    const [name = ''] = await readdir('.').then((all) => all.filter((each) => /json$/.test(each)));
    const entries = [rawHeader({ name: 'x', type: '1', link: name })];
    await assertAllRefused({ [`a link to ${name}`]: entries });
  },
);

row('Archives', 'CVE-2021-29136', 'the root of an archive is a folder and nothing else', () =>
  assertAllRefused(ROOTS),
);

row(
  'Archives',
  'GHSA-vmf3-w455-68vh, CVE-2025-62518',
  'an archive that readers understand in different ways is refused',
  () => assertAllRefused(READINGS),
);

row(
  'Archives',
  'CVE-2026-59874, CVE-2026-59875, CVE-2026-73566, CVE-2024-28863',
  'sizes are checked numbers, and no name is walked without a bound',
  () => assertAllRefused(NUMBERS),
);

row('Archives', 'CVE-2026-59871', 'a name of digits stays a name', async () => {
  const entries = [rawPax({ path: '12345' }), rawFile('x', 'harmless')];
  await writeFile(made, Buffer.concat([...entries, ...IMAGE, RAW_END]));
  const { stdout } = await slipway.run(['inspect', `docker-archive:${made}`]);
  const { stderr, code } = await slipway.run([
    'copy',
    `docker-archive:${made}`,
    `oci:${outside}/12`,
  ]);
  assert.equal(code, 0, stdout + stderr);
});

row(
  'Archives',
  'CVE-2021-20291',
  'an archive that ends anywhere or is damaged fails at once',
  async () => {
    const whole = Buffer.concat([...IMAGE, RAW_END]);
    for (const at of [1, 511, 513, 1024 + 100, whole.length - 1024 - 300, 3000]) {
      await assertRefused(whole.subarray(0, at), `cut at ${at}`);
    }
    const packed = gzipSync(whole);
    for (const at of [5, packed.length - 4, packed.length >> 1]) {
      await assertRefused(packed.subarray(0, at), `packed and cut at ${at}`);
    }
    const broken = Buffer.from(packed);
    broken[packed.length - 6] = (broken[packed.length - 6] ?? 0) ^ 0xff;
    await assertRefused(broken, 'packed with a wrong checksum');
  },
);

row(
  'Limits',
  'CVE-2022-2879, CVE-2025-58183, CVE-2026-32288',
  'records and sparse files of archives take no more memory than an archive has',
  () => assertAllRefused(LARGE),
);

row(
  'Limits',
  'CVE-2017-14992, CVE-2023-30551, CVE-2026-48702, CVE-2024-12886, CVE-2026-25140, CVE-2026-25122, CVE-2026-54448, CVE-2025-32386',
  'what unpacks to two hundred times its size is not unpacked',
  async () => {
    const zeros = Buffer.alloc(24 * 2 ** 20);
    await assertRefused(gzipSync(zeros), 'an archive', /unpacks to more than 200 times/);
    const packed = gzipSync(Buffer.concat([rawFile('zeros', zeros), RAW_END]));
    const [, , ...rest] = dockerSave(
      [Buffer.concat([rawFile('zeros', zeros), RAW_END])],
      ['app:1'],
    );
    const name = /[0-9a-f]{64}\/layer\.tar/.exec(Buffer.concat(rest).toString('latin1'))?.[0] ?? '';
    const documents = rest.slice(-2);
    const entries = [rawFile(name, packed), ...documents, RAW_END];
    await assertRefused(Buffer.concat(entries), 'a layer', /unpacks to more than 200 times/);
  },
);

row(
  'Archives',
  'CVE-2026-28406, CVE-2020-10696, CVE-2026-44517, CVE-2022-4122, CVE-2022-4123, CVE-2026-33748, CVE-2025-8959, CVE-2026-4660',
  'a build takes nothing from outside of its context, by no link, path or ignore file',
  async (t) => {
    const secret = path.join(await tempDir(t), 'secret');
    await writeFile(secret, 'marker-of-the-secret');
    for (const [what, dockerfile, links] of [
      ['a link', 'COPY x /', { x: secret }],
      ['a folder that is a link', 'COPY x/secret /', { x: path.dirname(secret) }],
      ['a link and back', 'COPY x/../secret /', { x: path.dirname(secret) }],
      ['a path that climbs', `COPY ../${path.basename(path.dirname(secret))}/secret /`, {}],
      ['an ignore file', 'COPY . /', { '.dockerignore': secret }],
      ['a link for ADD', 'ADD x /', { x: secret }],
    ] as const) {
      const context = await tempDir(t);
      for (const [name, to] of Object.entries(links)) await symlink(to, path.join(context, name));
      await writeFile(path.join(context, 'Dockerfile'), `FROM scratch\n${dockerfile}\n`);
      const files = path.join(await tempDir(t), 'files.tar');
      const output = ['-o', `type=tar,dest=${files}`];
      const args = ['build', '--engine', 'native', '-t', 'app:2', ...output, context];
      const { code, stderr } = await slipway.run(args);
      assert.notEqual(code, 0, `${what}: ${stderr}`);
      assert.match(
        stderr,
        /^slipway: .*(?:outside of|leads? out|regular file|not found in)/m,
        what,
      );
      assert.doesNotMatch(stderr, /marker-of/, what);
    }
    assert.deepEqual(await slipway.must(['images', '-q']), [''], 'no image was made');
  },
);
