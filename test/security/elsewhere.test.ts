import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { cloudRegistry } from '../../src/credentials/identity/hosts.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { describe } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { bytesOf, put } from '../content/images.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { secretsUnder } from './markers.ts';
import { row } from './rows.ts';
import {
  assertNoMarker,
  assertPublished,
  assertRefused,
  encodings,
  OTHERS,
  SECRETS,
  startTwoOrigins,
} from './two-origins.ts';

const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

/** An image one of whose layers is nowhere, and says that it is to be had at `url`. */
function imageElsewhere(url: string, mediaType: string) {
  const raw = bytesOf('foreign', 600);
  const config = Buffer.from(
    JSON.stringify({
      ...{ architecture: 'amd64', os: 'linux' },
      rootfs: { type: 'layers', diff_ids: [digestOf(raw)] },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: describe(config, MEDIA_TYPE.ociConfig),
      layers: [{ ...describe(gzipSync(raw), mediaType), urls: [url] }],
    }),
  );
  return { config, manifest };
}

/** A layout that holds an image but its layers, under the name `it`. */
async function layoutOf(owner: Owner, { config, manifest }: ReturnType<typeof imageElsewhere>) {
  const dir = path.join(await tempDir(owner), 'layout');
  const layout = await openLayout(dir, { create: true });
  await put(layout, config, MEDIA_TYPE.ociConfig);
  const root = await put(layout, manifest, MEDIA_TYPE.ociManifest);
  await layout.tag(root, 'it', (offset) => layout.fetch(root, { offset }));
  await layout.close();
  return `oci:${dir}:it`;
}

for (const other of OTHERS) {
  row(
    'Credentials',
    'CVE-2020-15157, CVE-2026-49349, GHSA-qvqc-4c52-x6qp',
    'the addresses that a layer names are never asked, for pushing or for reading',
    async (t) => {
      const rig = await startTwoOrigins(t, { other });
      const url = `${rig.elsewhere}/layer`;
      const to = `${rig.origin.host}/team/app:1`;
      for (const mediaType of [FOREIGN, MEDIA_TYPE.ociLayerGzip]) {
        const { config, manifest } = imageElsewhere(url, mediaType);
        if (mediaType === FOREIGN) {
          const pushed = await rig.run(
            'push',
            '--from',
            await layoutOf(t, { config, manifest }),
            to,
          );
          assert.equal(pushed.code, 0, pushed.stderr);
        }
        // And where a registry lacks the layer, the address beside it is no reason to look there.
        rig.origin.manifests.set('team/app:1', { type: MEDIA_TYPE.ociManifest, bytes: manifest });
        rig.origin.manifests.set(`team/app@${digestOf(manifest)}`, {
          type: MEDIA_TYPE.ociManifest,
          bytes: manifest,
        });
        rig.origin.blobs.set(digestOf(config), config);
        await rig.run('pull', to);
        await rig.run('verify', '--deep', to);
        await rig.run('copy', `docker://${to}`, `oci:${path.join(await tempDir(t), 'copy')}`);
        await rig.run('copy', `docker://${to}`, `docker://${rig.origin.host}/other/app:1`);
      }
      assert.deepEqual(rig.arrived, []);
    },
  );

  row(
    'Credentials',
    'GHSA-h7vf-4x9w-h99v, CVE-2021-32690',
    'a list that goes on at another host ends there with an error',
    async (t) => {
      let link = '';
      const rig = await startTwoOrigins(t, {
        other,
        origin: (call) => {
          if (call.what !== 'GET tags') return false;
          call.answer(200, { link: `<${link}>; rel="next"` }, { tags: ['a'] });
          return true;
        },
      });
      const { host } = new URL(rig.elsewhere);
      for (link of [
        `${rig.elsewhere}/v2/team/app/tags/list?last=a`,
        `//${host}/v2/team/app/tags/list?last=a`,
        `\\\\${host}/v2/team/app/tags/list?last=a`,
        `http://${rig.origin.host}@${host}/v2/`,
        'http://169.254.169.254/latest/meta-data/',
        '/latest/meta-data/',
        'file:///etc/passwd',
      ]) {
        const result = await rig.run('ls', `${rig.origin.host}/team/app`);
        assertRefused(result, 16, /outside itself/);
      }
      assert.deepEqual(rig.arrived, []);
    },
  );

  row(
    'Credentials',
    'CVE-2026-40161',
    'a login is for the registry that it was stored for, and for no other port, name or look-alike',
    async (t) => {
      const rig = await startTwoOrigins(t, { other });
      const { host } = new URL(rig.elsewhere);
      const push = await rig.run(
        'push',
        '--from',
        `docker-archive:${rig.archive}`,
        `${host}/team/app:1`,
      );
      assertPublished(push, rig.sink);
      assert.ok(rig.arrived.length > 0);
    },
  );
}

row(
  'Credentials',
  'moby: mount candidates',
  'where one account saw a blob is never told as another account',
  async (t) => {
    const rig = await startTwoOrigins(t, {
      // Nothing is there before it was sent or mounted.
      origin: (call) => {
        if (call.what !== 'HEAD blob') return false;
        call.answer(404);
        return true;
      },
    });
    const { origin, slipway } = rig;
    const push = (to: string) =>
      rig.run('push', '--from', `docker-archive:${rig.archive}`, `${origin.host}/${to}:1`);
    const mounts = () => origin.seen.filter(({ path: asked }) => asked.includes('mount=')).length;
    assert.equal((await push('private/first')).code, 0);
    await slipway.knowPasswords({ [origin.host]: 'somebody:marker-password-7Qx' });
    assert.equal((await push('team/second')).code, 0);
    assert.equal(mounts(), 0, 'another account is not told of private/first');
    await slipway.knowPasswords({ [origin.host]: 'marker-account:marker-password-7Qx' });
    assert.equal((await push('team/third')).code, 0);
    assert.ok(mounts() > 0, 'the same account mounts');
    const asked = origin.seen.filter(({ path: to }) => to.includes('mount='));
    assert.ok(
      asked.every(({ path: to }) => !to.includes('second')),
      'nor of what the other pushed',
    );
  },
);

row(
  'Credentials',
  'CVE-2025-0495, CVE-2023-24827, CVE-2020-14370, CVE-2021-3602',
  'the environment goes into nothing that is published, stored or printed',
  async (t) => {
    const rig = await startTwoOrigins(t);
    const names = ['AWS_SECRET_ACCESS_KEY', 'GITHUB_TOKEN', 'NPM_TOKEN', 'BUILD_ARG_X'];
    const env = Object.fromEntries(names.map((name) => [name, SECRETS.token]));
    const to = `${rig.origin.host}/team/app:1`;
    const args = ['push', '--from', `docker-archive:${rig.archive}`, to, '--debug'];
    const { slipway } = rig;
    const pushed = await slipway.run(args, undefined, env);
    assertPublished(pushed, rig.origin);
    const context = await tempDir(t);
    const dockerfile = 'FROM scratch\nARG BUILD_ARG_X\nENV X=$BUILD_ARG_X\nCOPY Dockerfile /\n';
    await writeFile(path.join(context, 'Dockerfile'), dockerfile);
    const build = ['build', '--engine', 'native', '-t', 'app:2', context];
    const built = await slipway.run(build, undefined, env);
    assert.equal(built.code, 0, built.stderr);
    const { stdout } = await slipway.run(['inspect', '--raw', to], undefined, env);
    for (const text of [stdout, pushed.stdout, pushed.stderr]) assertNoMarker(text, 'what is told');
    assert.deepEqual(await secretsUnder(slipway.home), []);
    for (const bytes of rig.origin.blobs.values())
      assertNoMarker(bytes.toString('latin1'), 'a blob');
    const requests = JSON.stringify(rig.origin.seen);
    for (const form of encodings(SECRETS.token)) assert.ok(!requests.includes(form), form);
  },
);

row(
  'Credentials',
  'CVE-2024-35192, GO-2026-6225, microsoft/vscode#320634, GHSA-xcq4-m2r3-cmrj',
  "a name that only looks like a cloud's registry is given none of its tokens",
  async () => {
    for (const real of [
      '123456789012.dkr.ecr.us-east-1.amazonaws.com',
      'name.azurecr.io',
      'gcr.io',
      'eu.gcr.io',
      'europe-docker.pkg.dev',
      'ghcr.io',
      'quay.io',
      'public.ecr.aws',
    ]) {
      assert.notEqual(cloudRegistry(real), undefined, real);
      const spellings = [
        ...[`${real}.evil.test`, `${real}:443`, `${real}.`, `${real}/x`, `${real}@x`],
        ...[`x@${real}`, `evil.test/${real}`, ` ${real}`, `${real}\n`, real.replaceAll('.', 'x')],
        ...[
          `${real}%2eevil.test`,
          `${real}#.evil.test`,
          `https://${real}`,
          `evil.test.${real}.evil.test`,
        ],
      ];
      for (const host of spellings) assert.equal(cloudRegistry(host), undefined, host);
    }
    const others = [
      'evilgcr.io',
      'evilghcr.io',
      'evilquay.io',
      'evilpkg.dev',
      'evilazurecr.io',
      'azurecr.io',
      'github.com.attacker.example',
      'name.azurecr.io.cn',
    ];
    for (const host of others) assert.equal(cloudRegistry(host), undefined, host);
  },
);
