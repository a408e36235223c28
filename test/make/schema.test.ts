import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ARCHITECTURES } from '../../src/make/architectures.ts';
import { expectFailure } from '../cli/failure.ts';
import { prepareMake, projectFile } from './scene.ts';

const { properties } = JSON.parse(await projectFile('docs/slipway.schema.json')).properties.make;

/** The names that an error lists. */
function namesIn(stderr: string): readonly string[] {
  return (/is none of (.*)/.exec(stderr)?.[1] ?? '').split(', ').sort();
}

test('the schema for editors has the keys and architectures that are taken', async (t) => {
  const { make, folder } = await prepareMake(t);
  const refused = async (text: string): Promise<readonly string[]> => {
    await writeFile(path.join(folder, 'slipway.yaml'), text);
    const result = await make('help');
    expectFailure(result, { code: 2, says: /is none of/ });
    return namesIn(result.stderr);
  };
  assert.deepEqual(await refused('make: {odd: 1}'), Object.keys(properties).sort());
  for (const key of ['tags', 'lists']) {
    const known = Object.keys(properties[key].properties).sort();
    assert.deepEqual(await refused(`make: {${key}: {odd: a}}`), known);
  }
  const sources = properties.version.oneOf
    .slice(1)
    .map(({ $ref }: { $ref: string }) => $ref.split('/').at(-1));
  const known = [...sources, 'api', 'pattern'].sort();
  assert.deepEqual(await refused('make: {version: {odd: a}}'), known);
  const names = ARCHITECTURES.map(({ name }) => name);
  assert.deepEqual(properties.architectures.items.enum, names);
});

test('the manual and slipway.mk name every target', async (t) => {
  const { mustMake } = await prepareMake(t);
  const [manual, makefile] = [await projectFile('docs/make.md'), await projectFile('slipway.mk')];
  const lines = await mustMake('help');
  const targets = lines.slice(
    1,
    lines.findIndex((line) => line.startsWith('VARIABLE')),
  );
  assert.ok(targets.length > 10);
  for (const line of targets) {
    const [name = ''] = line.split(' ');
    assert.ok(manual.includes(`| \`${name}\` |`), name);
    assert.ok(makefile.includes(name.replace('HOST[:PORT]', '%')), name);
  }
});
