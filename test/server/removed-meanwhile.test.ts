import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Agent } from 'undici';
import type { Layout } from '../../src/layout/layout.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { createHandler } from '../../src/server/handler.ts';
import { createManifestStore } from '../../src/server/manifest-store.ts';
import { createQuota } from '../../src/server/quota.ts';
import { createRepositories, type Repositories } from '../../src/server/repositories.ts';
import { createRoom } from '../../src/server/room.ts';
import { createSessions } from '../../src/server/sessions.ts';
import { createUploadFiles } from '../../src/server/upload-files.ts';
import {
  descriptor,
  digestOfJson,
  encode,
  pushImage,
  type Rig,
  rigFor,
  startRig,
  temporaryFolder,
} from './rig.ts';

const APP = 'team/app';

/** A layout where another process removes each blob right after it was looked at. */
function removing(layout: Layout): Layout {
  const blobSize = async (digest: Digest) => {
    const size = await layout.blobSize(digest);
    await layout.removeBlob(digest);
    return size;
  };
  return { ...layout, blobSize };
}

/** A registry over `storage` that reads of such layouts. */
async function startRemoving(t: TestContext, storage: string): Promise<Rig> {
  const all = createRepositories(storage, { private: false, readOnly: false });
  const repositories: Repositories = {
    ...all,
    read: (name, work) => all.read(name, (layout) => work(removing(layout))),
  };
  const sessions = createSessions(createUploadFiles(storage), {
    maxSessions: 1,
    expireMs: 60_000,
    fileMode: 0o600,
    readOnly: false,
  });
  const handle = createHandler({
    context: {
      repositories,
      sessions,
      manifests: createManifestStore(),
      quota: createQuota(storage, undefined),
      sparse: true,
    },
    isAcceptedHost: () => true,
    authenticate: undefined,
    readOnly: false,
    pace: { idleTimeoutMs: 60_000, minBytesPerSecond: 0 },
    room: createRoom(),
    log: (event) => assert.equal(event.type, 'request'),
  });
  const server = createServer((request, response) => void handle(request, response, false));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const agent = new Agent();
  t.after(async () => {
    await agent.destroy();
    server.close();
    await sessions.close();
    await all.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return rigFor({ url: `http://${host}`, host, storage, close: async () => {} }, agent);
}

test('what another process removes between the look and the read is not there', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const [image, next] = [await pushImage(rig, APP), await pushImage(rig, APP)];
  const long = { ...image, annotations: { long: 'x'.repeat(200_000) } };
  const subject = descriptor(encode(image), image.mediaType);
  const referrer = { ...next, subject };
  for (const json of [image, long, referrer]) await rig.put(APP, digestOfJson(json), json);
  await rig.put(APP, 'v1', next);
  const blob = await rig.push(APP, randomBytes(1000));
  const reading = await startRemoving(t, storage);
  const referrers = await reading.ask('GET', `/v2/${APP}/referrers/${subject.digest}`);
  assert.equal(referrers.status, 200);
  assert.deepEqual(referrers.json<{ manifests: unknown[] }>().manifests, []);
  for (const json of [image, long, referrer]) await rig.put(APP, digestOfJson(json), json);
  await rig.put(APP, 'v1', next);
  for (const reference of [digestOfJson(image), digestOfJson(long), 'v1']) {
    const answer = await reading.ask('GET', `/v2/${APP}/manifests/${reference}`);
    assert.deepEqual([answer.status, answer.code()], [404, 'MANIFEST_UNKNOWN'], reference);
  }
  const answer = await reading.ask('GET', `/v2/${APP}/blobs/${blob}`);
  assert.deepEqual([answer.status, answer.code()], [404, 'BLOB_UNKNOWN']);
});
