import assert from 'node:assert/strict';
import { type Document, encode } from '../rig.ts';
import { type Case, expectStatus, inside, manifestPath, REPO } from './cases.ts';
import type { Described, Graph } from './graphs.ts';
import { deleteBlob, getBlob, headBlob, postPut, withoutLength } from './pushes.ts';

interface Referrers {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly Described[];
}

export interface GraphHow {
  /** tags go with the PUTs by digest */
  readonly withTags?: boolean;
  /** what is sent for this manifest isn't what its digest says */
  readonly bad?: string;
}

/** One group of the suite: a graph is pushed, listed, looked at, pulled and deleted. */
export async function graphCases(suite: Case, name: string, graph: Graph, how: GraphHow = {}) {
  await inside(suite, name, async (on) => {
    await inside(on, 'push', (child) => push(child, graph, how));
    await inside(on, 'tag-list', (child) => tagList(child, graph));
    const manifests = [...graph.manifests].filter(([digest]) => digest !== how.bad);
    for (const [group, method, byTag, byDigest, blobCase, look] of [
      ['head', 'HEAD', 'manifest-head-by-tag', 'manifest-head-by-digest', 'blob-head', headBlob],
      ['pull', 'GET', 'manifest-by-tag', 'manifest-by-digest', 'blob-get', getBlob],
    ] as const) {
      await inside(on, group, async (child) => {
        for (const [tag, digest] of graph.tags) {
          const json = graph.manifests.get(digest);
          await inside(child, byTag, (one) => check(one, method, tag, digest, json));
        }
        for (const [digest, json] of manifests) {
          await inside(child, byDigest, (one) => check(one, method, digest, digest, json));
        }
        for (const [digest, bytes] of graph.blobs) {
          await inside(child, blobCase, (one) => look(one, { digest, bytes }));
        }
      });
    }
    const subjects = new Set([...graph.manifests.values()].flatMap(subjectOf));
    if (subjects.size > 0) await inside(on, 'referrers', (child) => referrers(child, graph));
    await inside(on, 'delete', (child) => deleteAll(child, graph));
  });
}

async function push(on: Case, graph: Graph, { withTags = false, bad }: GraphHow): Promise<void> {
  for (const [digest, bytes] of graph.blobs) {
    await inside(on, 'blob-post-put', (child) => postPut(child, { digest, bytes }));
  }
  for (const [digest, json] of graph.manifests) {
    const tags = withTags ? [...graph.tags].flatMap(([tag, of]) => (of === digest ? tag : [])) : [];
    await inside(on, 'manifest-by-digest', (child) =>
      digest === bad ? putBad(child, digest, json) : put(child, digest, digest, json, tags),
    );
  }
  if (withTags) return;
  for (const [tag, digest] of graph.tags) {
    const json = graph.manifests.get(digest) as Document;
    await inside(on, 'manifest-by-tag', (child) => put(child, tag, digest, json, []));
  }
}

async function put(
  on: Case,
  reference: string,
  digest: string,
  json: Document,
  tags: readonly string[],
): Promise<void> {
  const query = tags.length === 0 ? '' : `?${tags.map((tag) => `tag=${tag}`).join('&')}`;
  const body = encode(json);
  const answer = await expectStatus(on, 201, 'PUT', manifestPath(`${reference}${query}`), {
    body: withoutLength(body),
    headers: { 'content-type': json.mediaType },
  });
  assert.equal(answer.headers['docker-content-digest'], digest);
  const [subject] = subjectOf(json);
  assert.equal(answer.headers['oci-subject'], subject);
  assert.deepEqual(answer.values('oci-tag'), tags);
  const got = await expectStatus(on, 200, 'GET', answer.headers.location ?? '');
  assert.ok(got.body.equals(body), 'the Location gives the manifest');
}

async function putBad(on: Case, digest: string, json: Document): Promise<void> {
  const body = withoutLength(Buffer.concat([encode(json), Buffer.from('  ')]));
  const headers = { 'content-type': json.mediaType };
  await expectStatus(on, 400, 'PUT', manifestPath(digest), { body, headers });
}

async function check(
  on: Case,
  method: string,
  reference: string,
  digest: string,
  json: Document | undefined,
): Promise<void> {
  assert.ok(json);
  const bytes = encode(json);
  const accept =
    'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
  const answer = await expectStatus(on, 200, method, manifestPath(reference), {
    headers: { accept },
  });
  assert.ok(answer.body.equals(method === 'HEAD' ? Buffer.alloc(0) : bytes));
  assert.equal(answer.headers['content-type'], json.mediaType);
  assert.equal(answer.headers['content-length'], String(bytes.byteLength));
  assert.equal(answer.headers['docker-content-digest'], digest);
}

async function tagList(on: Case, { tags }: Graph): Promise<void> {
  const path = `/v2/${REPO}/tags/list`;
  const list = async (query = '') =>
    (await expectStatus(on, 200, 'GET', path + query)).json<{ tags: string[] }>().tags;
  const all = await list();
  for (const tag of tags.keys()) assert.ok(all.includes(tag), tag);
  const sorted = [...all].sort();
  const half = Math.floor(sorted.length / 2);
  if (half === 0) return;
  assert.deepEqual((await list(`?last=${sorted[half - 1]}`)).sort(), sorted.slice(half));
}

async function referrers(on: Case, { manifests, algorithm }: Graph): Promise<void> {
  assert.equal(algorithm, 'sha256');
  const list = async (subject: string, query = '') => {
    const answer = await expectStatus(on, 200, 'GET', `/v2/${REPO}/referrers/${subject}${query}`);
    assert.equal(answer.headers['content-type'], 'application/vnd.oci.image.index.v1+json');
    const json = answer.json<Referrers>();
    assert.equal(json.schemaVersion, 2);
    return { found: json.manifests, filters: answer.headers['oci-filters-applied'] };
  };
  const [subject = ''] = [...manifests.values()].flatMap(subjectOf);
  const wanted = [...manifests]
    .filter(([, json]) => subjectOf(json).includes(subject))
    .map(([digest, json]) => ({
      mediaType: json.mediaType,
      digest,
      size: encode(json).byteLength,
      artifactType: json.artifactType ?? (json.config as Described | undefined)?.mediaType,
      ...(json.annotations === undefined ? {} : { annotations: json.annotations }),
    }));
  const byDigest = (all: readonly Described[]) =>
    [...all].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  assert.deepEqual(byDigest((await list(subject)).found), byDigest(wanted as Described[]));
  for (const artifactType of new Set(wanted.map((one) => String(one.artifactType)))) {
    const query = `?artifactType=${encodeURIComponent(artifactType)}`;
    const { found, filters } = await list(subject, query);
    assert.equal(filters, 'artifactType');
    const ofType = wanted.filter((one) => one.artifactType === artifactType);
    assert.deepEqual(byDigest(found), byDigest(ofType as Described[]));
  }
}

/** Deletes all: tags, manifests with parents before children, blobs. */
export async function deleteAll(on: Case, { tags, manifests, blobs }: Graph): Promise<void> {
  const remove = async (child: Case, reference: string) => {
    await expectStatus(child, [202, 404], 'DELETE', manifestPath(reference));
    await expectStatus(child, 404, 'HEAD', manifestPath(reference));
  };
  for (const tag of tags.keys()) await inside(on, 'tag-delete', (child) => remove(child, tag));
  for (const digest of [...manifests.keys()].reverse()) {
    await inside(on, 'manifest-delete', (child) => remove(child, digest));
  }
  for (const digest of blobs.keys()) {
    await inside(on, 'blob-delete', (child) => deleteBlob(child, digest));
  }
}

function subjectOf(json: Document): readonly string[] {
  const subject = json.subject as Described | undefined;
  return subject === undefined ? [] : [subject.digest];
}
