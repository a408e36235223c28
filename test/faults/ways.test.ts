import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { missing } from '../rig/programs.ts';
import { assertPrompt } from '../rig/promptly.ts';
import { type ProxyOptions, startProxy } from '../rig/proxy.ts';
import { prepareSlipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { startTlsFront, type TlsFront } from '../rig/tls-front.ts';
import { held, makeImage, type TestImage } from './image.ts';

const MIB = 1024 * 1024;

describe('a proxy on the way', {
  skip: missing('docker-registry', 'nginx', 'openssl', 'tar'),
}, () => {
  let upstream: string;
  let front: TlsFront;
  let image: TestImage;
  let pushes = 0;

  before(async () => {
    upstream = (await startDockerRegistry(THIS_FILE)).host;
    front = await startTlsFront(THIS_FILE, upstream, { name: 'registry.invalid' });
    image = await makeImage(THIS_FILE, [6 * MIB, 4096]);
  });

  async function push(t: TestContext, options: ProxyOptions) {
    const slipway = await prepareSlipway(t);
    const proxy = await startProxy(t, { ways: { [front.host]: front.address }, ...options });
    const folder = path.join(slipway.env.SLIPWAY_CERTS_D ?? '', front.host);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'hosts.toml'), `ca = ${JSON.stringify(front.caFile)}`);
    const repository = `through/${pushes++}`;
    const startedAt = performance.now();
    const { code, stderr } = await slipway.run(
      ['copy', `oci:${image.layout}:1`, `docker://${front.host}/${repository}:1`],
      { env: { HTTPS_PROXY: proxy.url } },
    );
    const tookMs = performance.now() - startedAt;
    return { proxy, code, stderr, tookMs, holds: await held(upstream, repository, '1') };
  }

  it('that cuts tunnels in the middle of a blob costs no push', async (t) => {
    const cuts = { times: 3, afterBytes: MIB };
    const { proxy, code, stderr, holds } = await push(t, { cuts });
    assert.equal(code, 0, stderr);
    assert.equal(proxy.cutsLeft, 0);
    assert.equal(holds, image.root.digest);
  });

  it('that answers 502 to the first tunnel costs no push', async (t) => {
    const { proxy, code, stderr, holds } = await push(t, { refuses: 502, refusesTimes: 1 });
    assert.equal(code, 0, stderr);
    assert.ok(proxy.requests.length > 1);
    assert.equal(holds, image.root.digest);
  });

  for (const status of [403, 407]) {
    it(`that refuses with ${status} ends a push at once, and is named`, async (t) => {
      const { code, stderr, tookMs, holds } = await push(t, { refuses: status });
      assert.equal(code, 16, stderr);
      assert.match(stderr, /the proxy 127\.0\.0\.1:[0-9]+/);
      assert.equal(holds, 'nothing');
      await assertPrompt(tookMs, 2_000, stderr);
    });
  }

  it('that knows no way to the name of the registry is no reason to ask for it here', async (t) => {
    const { proxy, code, stderr } = await push(t, { ways: {} });
    assert.equal(code, 16, stderr);
    assert.doesNotMatch(stderr, /no such host/);
    assert.ok(proxy.requests.every(({ target }) => target === front.host));
  });
});

describe('a name that nobody has', { skip: missing('tar') }, () => {
  it('is said to be none, or not to be known just now, and nothing else is tried', async (t) => {
    const slipway = await prepareSlipway(t);
    const { layout } = await makeImage(t, [4096]);
    const { code, stderr } = await slipway.run([
      ...['copy', `oci:${layout}:1`, 'docker://registry.invalid/team/app:1'],
    ]);
    assert.equal(code, 16, stderr);
    // A machine without a name server can't know that the name doesn't exist.
    assert.match(
      stderr,
      /no such host: registry\.invalid|the name registry\.invalid can't be looked up just now/,
    );
  });
});
