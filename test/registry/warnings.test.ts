import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { openLayout } from '../../src/layout/layout.ts';
import { warningTexts } from '../../src/registry/warnings.ts';
import { startRegistry } from '../../src/server/registry.ts';
import { makeImage, pushImage } from '../layout/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { prepareSlipway } from '../rig/slipway.ts';

test('a warning is code 299 without an agent and a date, and is made printable', () => {
  for (const [header, texts] of [
    ['299 - "old API"', ['old API']],
    ['299 - "one", 299 - "two"', ['one', 'two']],
    ['299 - "quoted \\"text\\" and \\\\"', ['quoted "text" and \\']],
    ['299 - "\u001b[31mred\u0007 ##vso[task] \u202e"', ['[31mred # #vso[task]']],
    [`299 - "${'x'.repeat(1000)}"`, [`${'x'.repeat(300)}…`]],
    ['299 - ""', []],
    ['299 - " "', []],
    ['199 - "old"', []],
    ['299 localhost:5000 "old"', []],
    ['299 - "old" "Sat, 25 Aug 2012 23:34:45 GMT"', []],
    ['299 - "old" and more', []],
    ['299 - "no end', []],
    ['299 - old', []],
    [`299 - "${'x'.repeat(5000)}"`, []],
    ['', []],
  ] as const) {
    assert.deepEqual(warningTexts(header), texts, header);
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
      for (const one of warningTexts(`299 - "${text}"`)) {
        assert.doesNotMatch(one, /[\u0000-\u001f\u007f-\u009f]/);
      }
    }),
  );
});

const VECTORS = new URL('../../../shared/vectors/warning.json', import.meta.url);

test('headers that other clients refuse to show are not shown', (t) => {
  let text: string;
  try {
    text = readFileSync(VECTORS, 'utf8');
  } catch {
    t.skip('the vectors are not here');
    return;
  }
  const { sources } = JSON.parse(text) as {
    sources: { tables: { rows: { header?: unknown; wantErr?: unknown }[] }[] }[];
  };
  const rows = sources.flatMap(({ tables }) => tables.flatMap((table) => table.rows));
  const refused = rows.filter(({ wantErr }) => wantErr !== undefined);
  assert.ok(refused.length > 5);
  for (const { header } of refused) {
    if (typeof header === 'string') assert.deepEqual(warningTexts(header), [], header);
  }
});

/** A registry that says of every blob that it is there; gives `HOST:PORT`. */
async function startLying(t: TestContext, target: string): Promise<string> {
  const server = createServer((request, response) => {
    if (request.method === 'HEAD' && request.url?.includes('/blobs/')) {
      response.writeHead(200).end();
      return;
    }
    const { method = '', url = '' } = request;
    const passed = httpRequest(`${target}${url}`, { method, headers: request.headers });
    passed.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.rawHeaders);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('before a lying HEAD a strict registry gets all it lacks; one that takes sparse manifests warns once', async (t) => {
  const slipway = await prepareSlipway(t);
  const folder = await tempDir(t);
  const layout = await openLayout(join(folder, 'layout'), { create: true });
  const image = makeImage('text');
  await pushImage(layout, image, 'v1');
  await layout.close();
  for (const sparse of [false, true]) {
    const registry = await startRegistry({ sparse, graceMs: 100 });
    t.after(() => registry.close());
    const host = await startLying(t, registry.url);
    const copy = ['copy', `oci:${join(folder, 'layout')}:v1`];
    const names = ['a', 'b'].map((tag) => `docker://${host}/app:${tag}`);
    const { code, stderr } = await slipway.run([...copy, ...names]);
    assert.equal(code, 0, stderr);
    const told = stderr.match(/warns: [^\n]*/g) ?? [];
    const blobs = await Promise.all(
      image.below.map(({ descriptor }) =>
        isThere(`${registry.url}/v2/app/blobs/${descriptor.digest}`),
      ),
    );
    if (sparse) {
      assert.equal(told.length, 1, stderr);
      assert.match(told[0] ?? '', /the repository lacks content of this manifest: sha256:/);
    } else {
      assert.deepEqual(told, []);
      assert.ok(blobs.every(Boolean), 'nothing is missing');
    }
  }
});

async function isThere(url: string): Promise<boolean> {
  const { status } = await fetch(url, { method: 'HEAD' });
  return status === 200;
}
