import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { securityPage } from './page.ts';

test('docs/security.md has all that these tests prove', async () => {
  const file = path.resolve(import.meta.dirname, '../../docs/security.md');
  const told = 'it is made anew with: npm run docs:security';
  assert.equal(await readFile(file, 'utf8'), securityPage(), told);
});
