import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Rig, sha, startRig, temporaryFolder } from '../rig.ts';
import { blobCases } from './blob-cases.ts';
import { type Case, expectStatus, inside, manifestPath, REPO } from './cases.ts';
import { deleteAll, graphCases } from './graph-cases.ts';
import { addImage, newGraph } from './graphs.ts';
import { postPut } from './pushes.ts';
import { graphOf, SHAPES } from './shapes.ts';

/**
 * The cases of the conformance suite of the distribution-spec, with every optional part, under the
 * names that it gives them. What each case asks and expects follows the suite's own source.
 */
const TOP = 'OCI Conformance Test';
const ran: string[] = [];
/** Where an anonymous mount works, the suite goes on to look at what was mounted. */
const MORE = ['sha256', 'sha512'].flatMap((algorithm) =>
  ['blob-head', 'blob-get'].map((name) => `${TOP}/${algorithm} blobs/mount anonymous/${name}`),
);

test(TOP, async (t) => {
  ran.push(TOP);
  const storage = await temporaryFolder(t);
  const rig: Rig = await startRig(t, { storage });
  const suite: Case = { t, rig, path: TOP, ran };
  await inside(suite, 'ping', async (on) => {
    await expectStatus(on, 200, 'GET', '/v2/');
  });
  await inside(suite, 'empty', async (on) => {
    await inside(on, 'tag list', async (child) => {
      await expectStatus(child, [200, 404], 'GET', `/v2/${REPO}/tags/list`);
    });
    await inside(on, 'referrers', async (child) => {
      const path = `/v2/${REPO}/referrers/${sha(randomBytes(9))}`;
      const answer = await expectStatus(child, 200, 'GET', path);
      assert.deepEqual(answer.json<{ manifests: unknown[] }>().manifests, []);
    });
  });
  for (const algorithm of ['sha256', 'sha512']) await blobCases(suite, algorithm);
  for (const name of Object.keys(SHAPES)) {
    await graphCases(suite, name, graphOf(name), { withTags: name.startsWith('tag-param') });
  }
  const badImage = newGraph();
  const { digest: bad } = addImage(badImage);
  await graphCases(suite, 'bad-digest-image', badImage, { bad });
  await manifestErrors(suite);
});

async function manifestErrors(suite: Case): Promise<void> {
  await inside(suite, 'missing-manifest', async (on) => {
    await inside(on, 'by-digest', async (child) => {
      await expectStatus(child, 404, 'GET', manifestPath(sha(randomBytes(1024))));
    });
    await inside(on, 'by-tag', async (child) => {
      const tag = `missing-${randomBytes(8).toString('hex')}`;
      await expectStatus(child, 404, 'GET', manifestPath(tag));
    });
  });
  await inside(suite, 'invalid-digest-format', async (on) => {
    const graph = newGraph();
    addImage(graph, { layers: 1 });
    for (const [digest, bytes] of graph.blobs) {
      await inside(on, 'blob-post-put', (child) => postPut(child, { digest, bytes }));
    }
    const path = manifestPath('sha256:baddigeststring');
    await inside(on, 'manifest-put', async (child) => {
      const [json] = graph.manifests.values();
      await expectStatus(child, 400, 'PUT', path, {
        body: JSON.stringify(json),
        headers: { 'content-type': json?.mediaType ?? '' },
      });
    });
    await inside(on, 'manifest-get', async (child) => {
      await expectStatus(child, [400, 404], 'GET', path);
    });
    await inside(on, 'delete', (child) => deleteAll(child, graph));
  });
}

const LIST = new URL('../../../../shared/vectors/conformance-cases.tsv', import.meta.url);

test('the suite counts 1032 of them', () => {
  const groups = new Set(ran.map((name) => name.slice(0, name.lastIndexOf('/'))));
  const cases = ran.filter((name) => !groups.has(name));
  // A delete counts twice: it is answered, and what it deletes is gone with the answer.
  const deletes = cases.filter((name) => /\/(?:tag|manifest|blob)-delete$/.test(name));
  assert.equal(cases.length + deletes.length, 1032);
});

test('every case of a run of the suite has run here', (t) => {
  let text: string;
  try {
    text = readFileSync(LIST, 'utf8');
  } catch {
    t.skip('the list of the cases is not here');
    return;
  }
  const listed = text.trim().split('\n');
  const names = listed.map((line) => line.slice(0, line.indexOf('\t')));
  assert.deepEqual([...ran].sort(), [...names, ...MORE].sort());
});
