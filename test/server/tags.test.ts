import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { nextLink } from '../../src/http/link.ts';
import { pushImage, startRig, temporaryFolder } from './rig.ts';

const APP = 'team/app';
const LIST = `/v2/${APP}/tags/list`;

interface Tags {
  readonly name: string;
  readonly tags: readonly string[];
}

test('tags are listed sorted, in pages that name the next one', async (t) => {
  const rig = await startRig(t);
  const missing = await rig.ask('GET', LIST);
  assert.deepEqual([missing.status, missing.code()], [404, 'NAME_UNKNOWN']);
  const image = await pushImage(rig, APP);
  const empty = await rig.ask('GET', LIST);
  assert.deepEqual(empty.json<Tags>(), { name: APP, tags: [] });
  const sorted = ['1.0', '1.1', 'B', '_x', 'a', 'a-b', 'a.b', 'latest'];
  for (const tag of [...sorted].reverse()) await rig.put(APP, tag, image);
  const all = await rig.ask('GET', LIST);
  assert.deepEqual(all.json<Tags>(), { name: APP, tags: sorted });
  assert.equal(all.headers.link, undefined);
  const seen: string[] = [];
  let pages = 0;
  for (let path: string | undefined = `${LIST}?n=3`; path !== undefined; pages++) {
    const page = await rig.ask('GET', path);
    assert.ok(page.json<Tags>().tags.length <= 3);
    seen.push(...page.json<Tags>().tags);
    path = nextLink(page.values('link'));
  }
  assert.deepEqual([seen, pages], [sorted, 3]);
  const after = await rig.ask('GET', `${LIST}?last=a`);
  assert.deepEqual(after.json<Tags>().tags, ['a-b', 'a.b', 'latest']);
  assert.deepEqual((await rig.ask('GET', `${LIST}?last=zzz`)).json<Tags>().tags, []);
  const none = await rig.ask('GET', `${LIST}?n=0`);
  assert.deepEqual([none.json<Tags>().tags, none.headers.link], [[], undefined]);
  for (const n of ['-1', 'x', '1e3']) {
    assert.equal((await rig.ask('GET', `${LIST}?n=${n}`)).status, 400, n);
  }
});

test('a page has at most a thousand tags, and names of other tools that are no tags are left out', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  await rig.put(APP, 'v1', await pushImage(rig, APP));
  const file = join(storage, APP, 'index.json');
  const index = JSON.parse(await readFile(file, 'utf8'));
  const [entry] = index.manifests;
  const named = (name: string) => ({
    ...entry,
    annotations: { 'org.opencontainers.image.ref.name': name },
  });
  const numbers = Array.from({ length: 1001 }, (_, number) => `n${10_000 + number}`);
  index.manifests = [...numbers, 'docker.io/library/x:1', '../../etc/passwd'].map(named);
  await writeFile(file, JSON.stringify(index));
  const page = await rig.ask('GET', `${LIST}?n=5000`);
  assert.deepEqual(page.json<Tags>().tags, numbers.slice(0, 1000));
  const next = await rig.ask('GET', nextLink(page.values('link')) ?? '');
  assert.deepEqual(next.json<Tags>().tags, numbers.slice(1000));
});
