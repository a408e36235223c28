import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';
import { tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { ownerWithEnd } from '../rig/owner.ts';
import type { RunOptions } from '../rig/programs.ts';
import { prepareSlipway } from '../rig/slipway.ts';
import { RAW_KINDS, serveEndless, serveRawEndless } from './endless.ts';
import { row } from './rows.ts';

const { owner, end } = ownerWithEnd();
after(end);
const slipway = await prepareSlipway(owner);
const host = await serveEndless(owner);
const folder = await tempDir(owner);
const meter = path.join(folder, 'meter.mjs');
await writeFile(
  meter,
  `import { readFileSync, writeSync } from 'node:fs';
process.on('exit', () => {
  const [, peak] = /VmHWM:\\s*(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  writeSync(2, '\\nPEAK ' + peak + '\\n');
});`,
);

/** Node alone takes 45 MiB; from the sources its reader of TypeScript and a larger heap are added. */
const MAX_PEAK_BYTES = (process.env.SLIPWAY_TEST_PROGRAM === undefined ? 250 : 150) * 2 ** 20;

/** Runs the command, which must end by itself with an error of ours, in little memory. */
async function assertCutOff(
  args: readonly string[],
  says: RegExp,
  { stdin = '', maxPeakBytes = MAX_PEAK_BYTES }: RunOptions & { maxPeakBytes?: number } = {},
): Promise<void> {
  const { code, stderr } = await slipway.run(args, {
    env: { NODE_OPTIONS: `--import ${meter}` },
    stdin,
  });
  const what = `slipway ${args.join(' ')}: ${stderr}`;
  assert.ok(code > 0 && code !== 1, `${what} ended with ${code}`);
  assert.match(stderr, /^slipway: /m, what);
  assert.match(stderr, says, what);
  if (process.platform !== 'linux') return;
  const peak = 1024 * Number(/^PEAK (\d+)$/m.exec(stderr)?.[1]);
  assert.ok(peak < maxPeakBytes, `${what} took ${peak} bytes`);
}

const ONCE = ['--retries', '0'];

/** Some kinds, and in the long run all of them: each is a process. */
const some = <Kind>(first: readonly Kind[], more: readonly Kind[]) =>
  LONG ? [...first, ...more] : first;

row(
  'Limits',
  'CVE-2020-1702, endless errors and tokens in crane and regctl',
  'an answer without end is cut off, whatever it answers, and takes little memory',
  async () => {
    const isError = /more text than any honest error has/;
    for (const [kind, says] of some<readonly [string, RegExp]>(
      [
        ['error', isError],
        ['tags', /longer than 4194304 bytes/],
        ['token', /longer than 1048576 bytes/],
      ],
      [
        ['busy', isError],
        ['refused', isError],
        ['redirect', /redirects more than 5 times/],
      ],
    )) {
      await assertCutOff(['ls', `${host}/${kind}/app`, ...ONCE], says);
    }
    await assertCutOff(['pull', `${host}/manifest/app:1`, ...ONCE], /longer than 4194304 bytes/);
  },
);

row(
  'Limits',
  'CVE-2026-29049, CVE-2026-31960',
  'content that goes on behind its announced size is cut off there',
  async () => {
    const says = /is announced with \d bytes and has at least/;
    await assertCutOff(['pull', `${host}/layer/app:1`, ...ONCE], says);
    await assertCutOff(['inspect', '--config', `${host}/config/app:1`, ...ONCE], says);
  },
);

row('Limits', 'CVE-2026-22036', 'answers that are packed are not unpacked unseen', async () => {
  await assertCutOff(['pull', `${host}/packed/app:1`, ...ONCE], /longer than 4194304 bytes/);
});

row(
  'Limits',
  'GHSA-298f-872v-2rcx',
  'lists of pages without end, or in a circle, and redirects without end come to an end',
  async () => {
    for (const [kind, says] of some<readonly [string, RegExp]>(
      [
        ['pages', /longer than 250000 tags/],
        ['same-page', /names a page twice/],
        ['hops', /redirects more than 5 times/],
      ],
      [
        ['pages-of-long-tags', /longer than 12582912 bytes/],
        ['empty-pages', /longer than 1000 pages/],
      ],
    )) {
      await assertCutOff(['ls', `${host}/${kind}/app`, ...ONCE], says);
    }
  },
);

row(
  'Limits',
  'CVE-2024-29902, CVE-2024-29903, CVE-2023-46737, CVE-2023-33957, CVE-2023-33958, CVE-2024-45395',
  'signatures without end are counted before any is fetched',
  async () => {
    for (const [kind, says] of some<readonly [string, RegExp]>(
      [['referrer-pages', /more than 10000 manifests/]],
      [['referrers', /longer than 4194304 bytes/]],
    )) {
      const to = `oci:${folder}/${kind}`;
      const copy = ['copy', `docker://${host}/${kind}/app:1`, to, '--with-referrers', ...ONCE];
      await assertCutOff(copy, says);
    }
  },
);

row(
  'Limits',
  'CVE-2021-21285, CVE-2024-36620, CVE-2026-33022',
  'documents nested a million levels deep are refused',
  async () => {
    await assertCutOff(['ls', `${host}/deep/app`, ...ONCE], /nested deeper than 64 levels/);
  },
);

for (const kind of LONG ? RAW_KINDS : ['one header', 'interim answers', 'chunk extensions']) {
  row(
    'Limits',
    'CVE-2026-56853, CVE-2025-22871, CVE-2023-39326',
    'HTTP that never comes to its end is given up',
    async (t) => {
      const raw = await serveRawEndless(t, kind);
      const says = /too large headers|stopped answering|announced an answer|cut the connection/;
      const args = ['ls', `${raw}/team/app`, '--plain-http', raw, '--idle-timeout', '1', ...ONCE];
      // What comes and is dropped at once lies around for a moment.
      await assertCutOff(args, says, { maxPeakBytes: MAX_PEAK_BYTES + 50 * 2 ** 20 });
    },
    { about: kind },
  );
}

row(
  'Limits',
  'CVE-2023-25153, CVE-2020-1702',
  'files without end are cut off, also where a link leads to them',
  async () => {
    const dir = path.join(folder, 'endless');
    await mkdir(path.join(dir, 'layout'), { recursive: true });
    const endless = async (name: string) => {
      const file = path.join(dir, name);
      await symlink('/dev/zero', file);
      return file;
    };
    for (const name of ['slipway.yaml', 'config.toml', 'werf.yaml', 'codeship-services.yml']) {
      await endless(name);
    }
    await endless('Dockerfile');
    await endless('layout/oci-layout');
    const app = `${host}/none/app:1`;
    const zero = await endless('zero');
    for (const args of [
      ['make', '-C', dir, 'push', `REGISTRY=${host}`],
      ['dimg', 'list', '--dir', dir],
      ['jet', 'validate', '--dir', dir],
      ['build', '-t', 'a', '--engine', 'native', dir],
      ['build', '-t', 'a', '--engine', 'native', '-f', zero, folder],
      ['ls', app, '--authfile', zero],
      ['push', '--plan', zero],
      ['copy', `oci:${dir}/layout`, `docker://${app}`],
      ['load', '-i', path.join(dir, 'layout')],
      ['registry', 'serve', '--listen', '127.0.0.1:0', '--htpasswd', zero],
    ]) {
      await assertCutOff(args, /./);
    }
  },
  { skip: process.platform === 'linux' ? false : 'needs /dev/zero' },
);
